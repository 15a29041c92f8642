"""`siyu up`: keeps the platform running until Ctrl-C."""

import argparse
import signal
import threading
from pathlib import Path

from rich.console import Console
from rich.table import Table

from siyu_client.commands import running
from siyu_client.platform import Platform, PlatformError

_CHECK_S = 1.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("up", help="run the platform on this machine until Ctrl-C")
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument(
        "--project",
        action="append",
        help="project that gets a write key (repeatable; default demo)",
    )
    parser.add_argument(
        "--base-port", type=int, default=7400, help="first of eight ports; 0 lets the system choose"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start everything, show the addresses, wait for a signal, stop everything."""
    console = Console()
    projects = options.project or ["demo"]
    platform = Platform(options.dir, projects=projects, base_port=options.base_port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with console.status("starting"):
        platform.start()
    try:
        running.publish(platform)
        _show(console, platform, projects)
        _watch(platform, stop)
    finally:
        # Before the folder's lock is given back: the next start writes its own.
        for name in ("platform.json", running.PROCESSES):
            (platform.folder / name).unlink(missing_ok=True)
        with console.status("stopping"):
            platform.stop()
    console.print("stopped; data is kept in", str(platform.folder), markup=False)
    return 0


def _watch(platform: Platform, stop: threading.Event) -> None:
    """Wait for the signal; a service that ends by itself ends the platform, with its last lines."""
    while not stop.wait(_CHECK_S):
        for name, process in platform.processes.items():
            if not process.running:
                raise PlatformError(
                    f"{name} ended by itself ({process.ending}):\n{process.last_lines()}"
                )


def _show(console: Console, platform: Platform, projects: list[str]) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("service", "gRPC", "HTTP"):
        table.add_column(column)
    for name, address in platform.addresses.items():
        http = platform.http_url if address.http else ""
        table.add_row(name, address.target, http)
    console.print(table)
    console.print(
        f"logs: {platform.folder / 'logs'}", markup=False, highlight=False, soft_wrap=True
    )
    for project in projects:
        console.print(
            f"write key of project {project}: {platform.write_keys[project]}",
            highlight=False,
            soft_wrap=True,
        )
    where = (
        ""
        if str(platform.folder) == str(Path(running.DEFAULT_FOLDER).resolve())
        else f" --dir {platform.folder}"
    )
    console.print(
        f"a token for five minutes:  siyu token{where}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    example = '\'{"project_id": "demo"}\''
    console.print(
        f"any RPC:                   siyu call{where} analytics GetWatermark {example}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print("stop with Ctrl-C")
