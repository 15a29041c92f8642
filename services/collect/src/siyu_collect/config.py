"""Settings of the collect service."""

from dataclasses import dataclass
from pathlib import Path

from siyu_kit import config_checks
from siyu_kit.config import CommonConfig, setting


@dataclass(frozen=True, kw_only=True)
class CollectConfig(CommonConfig):
    """What the door needs to know."""

    http_listen: str = setting(
        "SIYU_COLLECT_HTTP_LISTEN", default="127.0.0.1:0", doc="host:port of the SDKs' HTTP door"
    )
    write_keys_file: Path | None = setting(
        "SIYU_COLLECT_WRITE_KEYS_FILE",
        default=None,
        doc='JSON file {"<SM3 hex of a key>": {"project": "..."}}; without it HTTP takes nothing',
    )
    http_max_body_bytes: int = setting(
        "SIYU_COLLECT_HTTP_MAX_BODY_BYTES", default=2 << 20, doc="largest body as sent"
    )
    http_max_inflated_bytes: int = setting(
        "SIYU_COLLECT_HTTP_MAX_INFLATED_BYTES", default=16 << 20, doc="largest body uncompressed"
    )
    http_max_requests: int = setting(
        "SIYU_COLLECT_HTTP_MAX_REQUESTS", default=512, doc="served at once; more are answered 429"
    )
    http_body_timeout_s: float = setting(
        "SIYU_COLLECT_HTTP_BODY_TIMEOUT_S", default=15.0, doc="time for a body to arrive"
    )
    http_origins: tuple[str, ...] = setting(
        "SIYU_COLLECT_HTTP_ORIGINS",
        default=(),
        doc="origins whose pages may post (CORS), comma separated; * for all",
    )
    max_in_flight_bytes: int = setting(
        "SIYU_COLLECT_MAX_IN_FLIGHT_BYTES", default=48_000_000, doc="more is RESOURCE_EXHAUSTED"
    )
    max_stream_entries: int = setting(
        "SIYU_COLLECT_MAX_STREAM_ENTRIES",
        default=2_000_000,
        doc="entries the events topic may hold before the door says: later",
    )
    max_stream_bytes: int = setting(
        "SIYU_COLLECT_MAX_STREAM_BYTES",
        default=4_000_000_000,
        doc="bytes it may hold (estimated from the mean entry)",
    )
    trim_every_s: float = setting(
        "SIYU_COLLECT_TRIM_EVERY_S", default=5.0, doc="how often read entries are dropped"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        config_checks.address("SIYU_COLLECT_HTTP_LISTEN", self.http_listen)
