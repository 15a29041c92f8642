"""Runs the profile service."""

from siyu_kit import service
from siyu_profile.bootstrap import build
from siyu_profile.config import ProfileConfig


def main() -> None:
    """Run until SIGTERM."""
    service.run("profile", ProfileConfig, build)


if __name__ == "__main__":
    main()
