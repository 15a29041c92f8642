"""Runs the segment service."""

from siyu_kit import command
from siyu_segment.bootstrap import MIGRATIONS, build
from siyu_segment.config import SegmentConfig


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("segment", SegmentConfig, build, migrations=MIGRATIONS)


if __name__ == "__main__":
    main()
