"""The `siyu` command."""

import argparse
import sys
from collections.abc import Sequence

from siyu_client.commands import (
    backup,
    call,
    dead_letters,
    doctor,
    keys,
    reconcile,
    restore,
    rotate,
    smoke,
    token,
    up,
)
from siyu_client.platform import PlatformError
from siyu_client.platform.process import ProcessError
from siyu_kit.config import ConfigError
from siyu_kit.errors import InvalidInput


def parser() -> argparse.ArgumentParser:
    """The command line; no secret is ever one of its arguments."""
    made = argparse.ArgumentParser(
        prog="siyu", description="Customer-operations platform, inside your own walls."
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    daily = (up, doctor, call, token, reconcile, dead_letters)
    for module in (*daily, keys, rotate, backup, restore, smoke):
        module.add(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (PlatformError, ProcessError, ConfigError, InvalidInput) as error:
        print(f"siyu: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a file or folder that was named cannot be used
        print(f"siyu: {_told(error)}", file=sys.stderr)
        return 1
    return status


def _told(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
