"""`siyu keys`: makes the keys of an installation, for a Secret and for a safe place."""

import argparse
from pathlib import Path

from rich.console import Console

from siyu_client.platform import Credentials
from siyu_client.platform.services import SERVICES


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("keys", help="make the keys of an installation in a folder")
    parser.add_argument("folder", type=Path, help="what is there already stays as it is")
    parser.add_argument(
        "--project",
        action="append",
        help="project that gets a write key for SDKs (repeatable; default demo)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make what is missing and say what to do with it."""
    credentials = Credentials.ensure(options.folder, [spec.name for spec in SERVICES])
    for project in options.project or ["demo"]:
        credentials.write_key(project)
    console = Console()
    console.print(
        f"keys are in {options.folder}; person ids and encrypted values depend on them:",
        "keep a copy",
        highlight=False,
        soft_wrap=True,
    )
    return 0
