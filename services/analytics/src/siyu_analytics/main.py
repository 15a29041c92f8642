"""Runs the analytics service."""

from siyu_analytics.bootstrap import build
from siyu_analytics.config import AnalyticsConfig
from siyu_kit import service


def main() -> None:
    """Run until SIGTERM."""
    service.run("analytics", AnalyticsConfig, build)


if __name__ == "__main__":
    main()
