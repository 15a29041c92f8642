"""Settings of the touch service."""

from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlsplit

from siyu_kit.config import CommonConfig, Secret, setting


@dataclass(frozen=True, kw_only=True)
class TouchConfig(CommonConfig):
    """Common settings, the peers, the push provider, and how much is done at once."""

    segment_target: str = setting("SIYU_SEGMENT_TARGET", doc="host:port or dns:///name:port")
    profile_target: str = setting("SIYU_PROFILE_TARGET", doc="host:port or dns:///name:port")
    analytics_target: str = setting("SIYU_ANALYTICS_TARGET", doc="host:port or dns:///name:port")
    identity_target: str = setting("SIYU_IDENTITY_TARGET", doc="host:port or dns:///name:port")
    collect_target: str = setting("SIYU_COLLECT_TARGET", doc="host:port or dns:///name:port")
    key: Secret = setting(
        "SIYU_TOUCH_KEY",
        doc="64 hexadecimal characters, shared by replicas: page tokens and the inbox at rest",
    )
    push_url: str = setting(
        "SIYU_TOUCH_PUSH_URL",
        default="",
        doc="http(s)://host/path of the push provider; empty: no push channel",
    )
    push_timeout_s: float = setting(
        "SIYU_TOUCH_PUSH_TIMEOUT_S", default=5.0, doc="longest wait for the provider"
    )
    push_concurrency: int = setting(
        "SIYU_TOUCH_PUSH_CONCURRENCY",
        default=32,
        doc="sends begun at once; a crash leaves at most these UNKNOWN",
    )
    push_batch: int = setting(
        "SIYU_TOUCH_PUSH_BATCH",
        default=200,
        doc="pushes of one campaign before the turn of the next",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(_bytes_of(self.key)) != 32:
            raise ValueError("SIYU_TOUCH_KEY: must be 64 hexadecimal characters")
        if self.push_url and not _is_web_address(self.push_url):
            raise ValueError("SIYU_TOUCH_PUSH_URL: must be http://host/path or https://host/path")
        if not (isfinite(self.push_timeout_s) and self.push_timeout_s > 0):
            raise ValueError("SIYU_TOUCH_PUSH_TIMEOUT_S: must be above 0")
        if self.push_concurrency < 1 or self.push_batch < 1:
            raise ValueError("SIYU_TOUCH_PUSH_CONCURRENCY and _BATCH: must be at least 1")

    @property
    def key_bytes(self) -> bytes:
        """The key's 32 bytes."""
        return _bytes_of(self.key)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _bytes_of(key: Secret) -> bytes:
    try:
        return bytes.fromhex(key.reveal())
    except ValueError:
        return b""
