"""The command line of a service: run it, migrate its database, ask it whether it is well.

``siyu-identity`` runs the service; ``siyu-identity migrate`` brings its database to this version
and ends; ``siyu-identity health`` asks the service that runs beside it, for probes that do not
speak gRPC or have no certificate; ``siyu-identity settings`` lists the variables it reads.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from siyu_kit import health, service
from siyu_kit.config import CommonConfig, ConfigError, Setting, load, settings_of
from siyu_kit.errors import DomainError
from siyu_kit.log import configure_logging, get_logger
from siyu_kit.service import App, Runtime

C = TypeVar("C", bound=CommonConfig)

logger = get_logger(__name__)


def main(
    name: str,
    config: type[C],
    build: Callable[[C, Runtime], Awaitable[App]],
    *,
    migrations: Path | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Do what the arguments say; without any, run the service until SIGTERM.

    ``migrations`` is the folder of the service's schema steps; without it there is nothing to
    migrate. The process ends with 2 when the settings are wrong, with 1 when the command failed.
    """
    options = _parser(name, migrates=migrations is not None).parse_args(arguments)
    try:
        match options.command:
            case "migrate" if migrations is not None:
                sys.exit(_migrate(name, migrations))
            case "health":
                sys.exit(health.main([options.state]))
            case "settings":
                sys.stdout.write("".join(map(_line, settings_of(config))))
            case _:
                service.run(name, config, build)
    except ConfigError as error:
        sys.stderr.write(f"siyu-{name}: {error}\n")
        sys.exit(2)


def _parser(name: str, *, migrates: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"siyu-{name}",
        description=f"Runs the {name} service; its settings come from the environment.",
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    if migrates:
        commands.add_parser("migrate", help="bring the own database to this version, and end")
    asking = commands.add_parser("health", help="ask the running service; 0 when it is well")
    asking.add_argument("state", nargs="?", default=health.READINESS, choices=health.STATES)
    commands.add_parser("settings", help="list the variables that are read")
    return parser


def _migrate(name: str, migrations: Path) -> int:
    from siyu_kit.sql.migrate import upgrade

    settings = load(CommonConfig)
    configure_logging(settings, service=name)
    try:
        asyncio.run(upgrade(settings.database_url.reveal(), migrations))
    except (DomainError, OSError):
        logger.exception("migration_failed")
        return 1
    logger.info("migration_done")
    return 0


def _line(setting: Setting) -> str:
    file = f" (or {setting.env}_FILE)" if setting.secret else ""
    need = "required" if setting.required else f"default {setting.default!r}"
    return f"{setting.env}{file}: {setting.doc} [{need}]\n"
