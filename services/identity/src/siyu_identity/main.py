"""Runs the identity service."""

from siyu_identity.bootstrap import build
from siyu_identity.config import IdentityConfig
from siyu_kit import service


def main() -> None:
    """Run until SIGTERM."""
    service.run("identity", IdentityConfig, build)


if __name__ == "__main__":
    main()
