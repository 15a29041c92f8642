"""Asking a service of the running platform, as the commands that print tables do."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from siyu_client.commands import running
from siyu_client.commands.rpc_errors import print_error


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the platform is, which project is meant, and who asks."""
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument("--project", default="demo", help="project, * for all (default demo)")
    parser.add_argument(
        "--role", action="append", help="role of the caller (repeatable; default admin)"
    )
    parser.add_argument("--subject", default="local", help="who the caller is")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds")


class Asker:
    """Calls RPCs of one service."""

    def __init__(self, options: argparse.Namespace, service: str) -> None:
        platform = running.find(options.dir)
        token = platform.credentials.tokens(options.subject, options.role or ["admin"]).token()
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._timeout_s = options.timeout
        self.channel = running.channel(platform.targets[service])

    def __call__(self, method: Callable[..., Any], request: Any) -> Any:
        """The response; raises grpc.RpcError."""
        return method(request, timeout=self._timeout_s, metadata=self._metadata)


def answered(ask: Callable[[], int]) -> int:
    """Run what asks; a refusal is printed and fails."""
    try:
        return ask()
    except grpc.RpcError as error:
        print_error(error)
        return 1
