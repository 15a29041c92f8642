"""Runs the collect service."""

from siyu_collect.bootstrap import build
from siyu_collect.config import CollectConfig
from siyu_kit import service


def main() -> None:
    """Run until SIGTERM."""
    service.run("collect", CollectConfig, build)


if __name__ == "__main__":
    main()
