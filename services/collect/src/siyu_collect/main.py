"""Runs the collect service."""

from siyu_collect.bootstrap import build
from siyu_collect.config import CollectConfig
from siyu_kit import command


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("collect", CollectConfig, build)


if __name__ == "__main__":
    main()
