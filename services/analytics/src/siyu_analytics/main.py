"""Runs the analytics service."""

from siyu_analytics.bootstrap import MIGRATIONS, build
from siyu_analytics.config import AnalyticsConfig
from siyu_kit import command


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("analytics", AnalyticsConfig, build, migrations=MIGRATIONS)


if __name__ == "__main__":
    main()
