"""Runs the touch service."""

from siyu_kit import command
from siyu_touch.bootstrap import MIGRATIONS, build
from siyu_touch.config import TouchConfig


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("touch", TouchConfig, build, migrations=MIGRATIONS)


if __name__ == "__main__":
    main()
