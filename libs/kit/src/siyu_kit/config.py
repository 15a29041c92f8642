"""Configuration: frozen dataclasses filled from environment variables, checked all at once."""

import math
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from siyu_kit import config_checks

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


@dataclass(frozen=True)
class Setting:
    """One declared variable of a configuration."""

    env: str
    doc: str
    required: bool
    secret: bool
    default: Any


def settings_of(cls: type[Any]) -> list[Setting]:
    """What ``cls`` reads from the environment, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    return [
        Setting(
            env=item.metadata["env"],
            doc=item.metadata["doc"],
            required=item.default is MISSING and item.default_factory is MISSING,
            secret=_without_none(hints[item.name]) is Secret,
            default=item.default_factory() if item.default_factory is not MISSING else item.default,
        )
        for item in fields(cls)
        if "env" in item.metadata
    ]


def _raw(item: Field[Any], hint: Any, source: Mapping[str, str]) -> str | None:
    name = item.metadata["env"]
    by_file = source.get(f"{name}_FILE") if _without_none(hint) is Secret else None
    if by_file is not None:
        if name in source:
            raise ValueError(f"give it or {name}_FILE, not both")
        return Path(by_file).read_text(encoding="utf-8").strip()
    return source.get(name)


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
        number = float(raw)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number):  # no comparison with one that is not would hold or fail as meant
        raise ValueError("must be a finite number")
    return number


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
class TlsConfig:
    """Transport security, of services and of those who call them; the files are read again."""

    tls_cert_file: Path | None = setting("SIYU_TLS_CERT_FILE", default=None, doc="own certificate")
    tls_key_file: Path | None = setting("SIYU_TLS_KEY_FILE", default=None, doc="its private key")
    tls_ca_file: Path | None = setting(
        "SIYU_TLS_CA_FILE", default=None, doc="CA of the peers; with it both sides must show one"
    )

    def __post_init__(self) -> None:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("SIYU_TLS_CERT_FILE and SIYU_TLS_KEY_FILE belong together")


@dataclass(frozen=True, kw_only=True)
class FieldKeyConfig:
    """What a service that encrypts fields has beside its own key."""

    field_master_keys: Secret = setting(
        "SIYU_FIELD_MASTER_KEYS",
        default=Secret(""),
        doc="16 bytes in hexadecimal each, newest first, comma between; wrap the data keys",
    )


@dataclass(frozen=True, kw_only=True)
class CommonConfig(TlsConfig):
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
    stream_durability: Literal["durable", "replicated", "relaxed"] = setting(
        "SIYU_STREAM_DURABILITY",
        default="durable",
        doc="what the stream server must promise: on disk, in replicas, or whatever it does",
    )
    stream_replicas: int = setting(
        "SIYU_STREAM_REPLICAS",
        default=0,
        doc="replicas that must have an append before it is answered; replicated: at least 1",
    )
    partitions: int = setting("SIYU_PARTITIONS", default=4, doc="partitions of the events topic")
    leases: Literal["database", "kubernetes"] = setting(
        "SIYU_LEASES",
        default="database",
        doc="who says which process is the one that relays and re-stitches",
    )
    lease_namespace: str = setting(
        "SIYU_LEASE_NAMESPACE", default="", doc="of the Leases; empty: the pod's own"
    )
    lease_prefix: str = setting(
        "SIYU_LEASE_PREFIX", default="siyu", doc="of their names; one for each installation"
    )
    kubernetes_url: str = setting(
        "SIYU_KUBERNETES_URL",
        default="",
        doc="API server without credentials (kubectl proxy); empty: the cluster's, as the pod",
    )
    data_dir: Path = setting("SIYU_DATA_DIR", default=Path("data"), doc="local files live here")
    migrate: bool = setting("SIYU_MIGRATE", default=True, doc="migrate the own database at start")
    auth_public_key_file: Path | None = setting(
        "SIYU_AUTH_PUBLIC_KEY_FILE",
        default=None,
        doc="keys that tokens are signed by, PEM or a JSON Web Key Set; read again on change",
    )
    auth_signing_key_file: Path | None = setting(
        "SIYU_AUTH_SIGNING_KEY_FILE", default=None, doc="Ed25519 PEM of the local issuer"
    )
    auth_token_file: Path | None = setting(
        "SIYU_AUTH_TOKEN_FILE", default=None, doc="own token, re-read when the file changes"
    )
    auth_issuer: str = setting("SIYU_AUTH_ISSUER", default="siyu-local", doc="expected iss")
    page_token_key: Secret = setting(
        "SIYU_PAGE_TOKEN_KEY",
        default=Secret(""),
        doc="shared by replicas; without it page tokens end with the process",
    )
    otlp_endpoint: str | None = setting(
        "SIYU_OTLP_ENDPOINT", default=None, doc="http://collector:4317; nothing leaves without it"
    )
    trace_ratio: float = setting(
        "SIYU_TRACE_RATIO",
        default=1.0,
        doc="share of new traces that are recorded, 0 to 1; a trace from outside says it itself",
    )
    metrics_interval_s: float = setting(
        "SIYU_METRICS_INTERVAL_S", default=15.0, doc="seconds between two exports of metrics"
    )
    metrics_listen: str | None = setting(
        "SIYU_METRICS_LISTEN",
        default=None,
        doc="host:port of a page for Prometheus, /metrics; beside or instead of OTLP",
    )
    log_level: str = setting("SIYU_LOG_LEVEL", default="INFO", doc="DEBUG INFO WARNING ERROR")
    log_format: Literal["json", "console"] = setting(
        "SIYU_LOG_FORMAT", default="json", doc="json or console"
    )
    reflection: bool = setting("SIYU_REFLECTION", default=False, doc="serve gRPC reflection")
    port_file: Path | None = setting(
        "SIYU_PORT_FILE", default=None, doc="the bound ports are written here once ready"
    )
    health_dir: Path | None = setting(
        "SIYU_HEALTH_DIR", default=None, doc="files that say the service is well are written here"
    )
    max_concurrent_rpcs: int = setting(
        "SIYU_MAX_CONCURRENT_RPCS", default=1024, doc="calls held at once, with those that wait"
    )
    fair: bool = setting("SIYU_FAIR", default=True, doc="share slots between projects")
    limits_file: Path | None = setting(
        "SIYU_LIMITS_FILE", default=None, doc="limits of single projects; see docs/limits.md"
    )
    project_requests_per_s: float = setting(
        "SIYU_PROJECT_REQUESTS_PER_S", default=0.0, doc="of each project, in a process; 0: any"
    )
    project_bytes_per_s: float = setting(
        "SIYU_PROJECT_BYTES_PER_S", default=0.0, doc="of request messages and bodies; 0: any"
    )
    project_events_per_s: float = setting(
        "SIYU_PROJECT_EVENTS_PER_S", default=0.0, doc="of each project, at collect's door; 0: any"
    )
    max_queue_age_s: float = setting(
        "SIYU_MAX_QUEUE_AGE_S", default=5.0, doc="a project that waits longer gets no more in"
    )
    max_loop_lag_s: float = setting(
        "SIYU_MAX_LOOP_LAG_S", default=0.5, doc="event loop this late: low priority is refused"
    )
    max_request_bytes: int = setting(
        "SIYU_MAX_REQUEST_BYTES", default=128_000_000, doc="held at once: low priority is refused"
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
        super().__post_init__()
        if self.partitions < 1:
            raise ValueError("SIYU_PARTITIONS: must be at least 1")
        if self.stream_replicas < 0:
            raise ValueError("SIYU_STREAM_REPLICAS: must not be negative")
        if self.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("SIYU_LOG_LEVEL: must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
        rates = (self.project_requests_per_s, self.project_bytes_per_s, self.project_events_per_s)
        if min(rates) < 0:
            raise ValueError("SIYU_PROJECT_*_PER_S: must not be negative")
        if min(self.max_queue_age_s, self.max_loop_lag_s, self.max_request_bytes) <= 0:
            raise ValueError("SIYU_MAX_QUEUE_AGE_S and its like must be positive")
        if not 0 <= self.trace_ratio <= 1:
            raise ValueError("SIYU_TRACE_RATIO: must be from 0 to 1")
        if not 0.1 <= self.metrics_interval_s <= 3600:
            raise ValueError("SIYU_METRICS_INTERVAL_S: must be from 0.1 to 3600")
        config_checks.common(self)

    @property
    def replicas_waited_for(self) -> int:
        """Replicas that an append waits for."""
        return max(self.stream_replicas, 1 if self.stream_durability == "replicated" else 0)

    @property
    def listen_host(self) -> str:
        """The host part of ``listen`` (without brackets)."""
        return self.listen.rpartition(":")[0].strip("[]")
