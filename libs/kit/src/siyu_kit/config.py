"""Configuration: frozen dataclasses filled from environment variables, checked all at once."""

import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

C = TypeVar("C")

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


class ConfigError(Exception):
    """The environment does not make a configuration; ``problems`` lists every reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("invalid configuration:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = problems


class Secret:
    """A string that does not print: read it with ``reveal()`` where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


def setting(env: str, *, default: Any = MISSING, doc: str = "") -> Any:
    """Declare a dataclass field read from the variable ``env``.

    Without ``default`` the variable is required. A mutable default is given as a callable.
    """
    metadata = {"env": env, "doc": doc}
    if default is MISSING:
        return field(metadata=metadata, kw_only=True)
    if callable(default):
        return field(default_factory=default, metadata=metadata, kw_only=True)
    return field(default=default, metadata=metadata, kw_only=True)


def load(cls: type[C], environ: Mapping[str, str] | None = None) -> C:
    """Build ``cls`` from the environment; raise one ConfigError with every problem found.

    A Secret may also be given as a file: ``<NAME>_FILE`` holds its path.
    """
    source = os.environ if environ is None else environ
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in fields(cls):  # type: ignore[arg-type]
        if "env" not in item.metadata:
            continue
        try:
            raw = _raw(item, hints[item.name], source)
            if raw is not None:
                values[item.name] = _parse(hints[item.name], raw)
            elif item.default is MISSING and item.default_factory is MISSING:
                problems.append(f"{item.metadata['env']} is required: {item.metadata['doc']}")
        except (ValueError, OSError) as error:
            problems.append(f"{item.metadata['env']}: {error}")
    if problems:
        raise ConfigError(problems)
    try:
        return cls(**values)
    except ValueError as error:  # a rule across fields, checked in __post_init__
        raise ConfigError([str(error)]) from error


def _raw(item: Field[Any], hint: Any, source: Mapping[str, str]) -> str | None:
    name = item.metadata["env"]
    if name in source:
        return source[name]
    if _without_none(hint) is Secret and f"{name}_FILE" in source:
        return Path(source[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
    return None


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0]
    return hint


def _parse(hint: Any, raw: str) -> Any:
    optional = _without_none(hint) is not hint
    target = _without_none(hint)
    if optional and not raw:
        return None
    origin = typing.get_origin(target)
    if origin is tuple:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if origin is dict:
        return _parse_pairs(raw)
    if origin is Literal:
        allowed = typing.get_args(target)
        if raw not in allowed:
            raise ValueError(f"must be one of {', '.join(map(str, allowed))}")
        return raw
    return _SCALARS[target](raw)


def _parse_bool(raw: str) -> bool:
    lowered = raw.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError("must be true or false")


def _parse_int(raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _parse_float(raw: str) -> float:
    try:
        return float(raw)
    except ValueError:
        raise ValueError("must be a number") from None


def _parse_pairs(raw: str) -> dict[str, str]:
    """``a=1,b=2``; a later key wins."""
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in raw.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError("must look like key=value,key=value")
        pairs[key.strip()] = value.strip()
    return pairs


_SCALARS: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: str,
    int: _parse_int,
    float: _parse_float,
    bool: _parse_bool,
    Path: Path,
    Secret: Secret,
}


@dataclass(frozen=True, kw_only=True)
class CommonConfig:
    """Settings every service has; a service adds its own in a subclass (frozen, kw_only)."""

    listen: str = setting("SIYU_LISTEN", default="127.0.0.1:0", doc="host:port of the gRPC server")
    database_url: Secret = setting(
        "SIYU_DATABASE_URL",
        default=Secret(""),
        doc="sqlite+aiosqlite:///path or postgresql+asyncpg://...",
    )
    stream_url: Secret = setting(
        "SIYU_STREAM_URL", default=Secret("redis://127.0.0.1:6379/0"), doc="redis://..."
    )
    partitions: int = setting("SIYU_PARTITIONS", default=4, doc="partitions of the events topic")
    data_dir: Path = setting("SIYU_DATA_DIR", default=Path("data"), doc="local files live here")
    migrate: bool = setting("SIYU_MIGRATE", default=True, doc="migrate the own database at start")
    auth_public_key_file: Path | None = setting(
        "SIYU_AUTH_PUBLIC_KEY_FILE", default=None, doc="PEM file with the keys tokens are signed by"
    )
    auth_signing_key_file: Path | None = setting(
        "SIYU_AUTH_SIGNING_KEY_FILE", default=None, doc="Ed25519 PEM of the local issuer"
    )
    auth_token_file: Path | None = setting(
        "SIYU_AUTH_TOKEN_FILE", default=None, doc="own token, re-read when the file changes"
    )
    auth_issuer: str = setting("SIYU_AUTH_ISSUER", default="siyu-local", doc="expected iss")
    tls_cert_file: Path | None = setting("SIYU_TLS_CERT_FILE", default=None, doc="own certificate")
    tls_key_file: Path | None = setting("SIYU_TLS_KEY_FILE", default=None, doc="its private key")
    tls_ca_file: Path | None = setting(
        "SIYU_TLS_CA_FILE", default=None, doc="CA of the peers; with it both sides must show one"
    )
    page_token_key: Secret = setting(
        "SIYU_PAGE_TOKEN_KEY",
        default=Secret(""),
        doc="shared by replicas; without it page tokens end with the process",
    )
    otlp_endpoint: str | None = setting(
        "SIYU_OTLP_ENDPOINT", default=None, doc="http://collector:4317; nothing leaves without it"
    )
    log_level: str = setting("SIYU_LOG_LEVEL", default="INFO", doc="DEBUG INFO WARNING ERROR")
    log_format: Literal["json", "console"] = setting(
        "SIYU_LOG_FORMAT", default="json", doc="json or console"
    )
    reflection: bool = setting("SIYU_REFLECTION", default=False, doc="serve gRPC reflection")
    port_file: Path | None = setting(
        "SIYU_PORT_FILE", default=None, doc="the bound ports are written here once ready"
    )
    max_concurrent_rpcs: int = setting(
        "SIYU_MAX_CONCURRENT_RPCS", default=512, doc="more are refused RESOURCE_EXHAUSTED"
    )
    drain_delay_s: float | None = setting(
        "SIYU_DRAIN_DELAY_S",
        default=None,
        doc="wait between NOT_SERVING and closing; default 0 on loopback (nobody balances), else 5",
    )
    stop_grace_s: float = setting(
        "SIYU_STOP_GRACE_S", default=20.0, doc="time for calls in flight when stopping"
    )

    def __post_init__(self) -> None:
        if self.partitions < 1:
            raise ValueError("SIYU_PARTITIONS: must be at least 1")
        if self.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("SIYU_LOG_LEVEL: must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("SIYU_TLS_CERT_FILE and SIYU_TLS_KEY_FILE belong together")

    @property
    def listen_host(self) -> str:
        """The host part of ``listen`` (without brackets)."""
        return self.listen.rpartition(":")[0].strip("[]")
