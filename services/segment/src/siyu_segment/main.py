"""Runs the segment service."""

from siyu_kit import service
from siyu_segment.bootstrap import build
from siyu_segment.config import SegmentConfig


def main() -> None:
    """Run until SIGTERM."""
    service.run("segment", SegmentConfig, build)


if __name__ == "__main__":
    main()
