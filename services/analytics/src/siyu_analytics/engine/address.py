"""Where a ClickHouse server is, from one text."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from siyu_kit.config import Secret

_PORTS: Final = {"http": 8123, "https": 8443}
_FORM: Final = "http[s]://user:password@host:port/database"


@dataclass(frozen=True, slots=True)
class Server:
    """Its address, and who asks."""

    scheme: str
    host: str
    port: int
    user: str
    password: Secret
    database: str


def server_of(url: Secret) -> Server:
    """The parts of ``http[s]://user:password@host:port/database``.

    Raises ValueError, without the secret, for anything else. User, port and database may be left
    out: ``default``, the scheme's own, ``default``.
    """
    parts = urlsplit(url.reveal())
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"SIYU_ANALYTICS_ENGINE_URL: {_FORM}")
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=Secret(unquote(parts.password or "")),
        database=parts.path.strip("/") or "default",
    )
