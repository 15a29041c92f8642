"""Runs the profile service."""

from siyu_kit import command
from siyu_profile.bootstrap import MIGRATIONS, build
from siyu_profile.config import ProfileConfig


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("profile", ProfileConfig, build, migrations=MIGRATIONS)


if __name__ == "__main__":
    main()
