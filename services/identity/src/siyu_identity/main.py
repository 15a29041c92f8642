"""Runs the identity service."""

from siyu_identity.bootstrap import MIGRATIONS, build
from siyu_identity.config import IdentityConfig
from siyu_kit import command


def main() -> None:
    """Run until SIGTERM, or do what the arguments say."""
    command.main("identity", IdentityConfig, build, migrations=MIGRATIONS)


if __name__ == "__main__":
    main()
