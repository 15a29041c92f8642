"""The `siyu` command."""

import argparse
import sys
from collections.abc import Sequence

from siyu_client.commands import call, doctor, token, up
from siyu_client.platform import PlatformError
from siyu_client.platform.process import ProcessError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="siyu", description="Customer-operations platform, inside your own walls."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for module in (up, doctor, call, token):
        module.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except (PlatformError, ProcessError) as error:
        print(f"siyu: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
