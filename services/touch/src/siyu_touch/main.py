"""Runs the touch service."""

from siyu_kit import service
from siyu_touch.bootstrap import build
from siyu_touch.config import TouchConfig


def main() -> None:
    """Run until SIGTERM."""
    service.run("touch", TouchConfig, build)


if __name__ == "__main__":
    main()
