"""What single settings must be for a service to run: a wrong one ends the start with its name.

Values of URLs are never shown: they may hold passwords.
"""

from collections.abc import Iterator
from typing import Any, Final

_UNIX: Final = ("unix:", "unix-abstract:")
_DATABASES: Final = ("sqlite+aiosqlite://", "postgresql+asyncpg://")
_STREAMS: Final = ("redis://", "rediss://", "unix://")
_LAST_PORT: Final = 65_535


def address(name: str, value: str) -> None:
    """Raise ValueError unless it is host:port or the path of a Unix socket."""
    if value.startswith(_UNIX):
        return
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > _LAST_PORT:
        raise ValueError(f"{name}: must look like host:port, the port at most {_LAST_PORT}")


def common(config: Any) -> None:
    """Raise ValueError, with a line for each of the common settings that no service can run with.

    ``config`` is a ``CommonConfig``.
    """
    problems = list(_problems(config))
    if problems:
        raise ValueError("\n  ".join(problems))


def _problems(config: Any) -> Iterator[str]:
    try:
        address("SIYU_LISTEN", config.listen)
    except ValueError as error:
        yield str(error)
    database, stream = config.database_url.reveal(), config.stream_url.reveal()
    if database and not database.startswith(_DATABASES):
        yield f"SIYU_DATABASE_URL: must begin with {' or '.join(_DATABASES)}"
    if not stream.startswith(_STREAMS):
        yield f"SIYU_STREAM_URL: must begin with {' or '.join(_STREAMS)}"
    if config.max_concurrent_rpcs < 1:
        yield "SIYU_MAX_CONCURRENT_RPCS: must be at least 1"
    if config.stop_grace_s < 0:
        yield "SIYU_STOP_GRACE_S: must not be negative"
    if config.drain_delay_s is not None and config.drain_delay_s < 0:
        yield "SIYU_DRAIN_DELAY_S: must not be negative"
