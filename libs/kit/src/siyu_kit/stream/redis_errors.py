"""What a Redis server's refusals mean to a caller."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from siyu_kit.errors import DependencyDown, QuotaExceeded

RETRY_AFTER_S: Final = 1.0
_CLOSED: Final = "the handler is closed"

# Replies that say "not now": loading, failing over, disk trouble, a script running, no replicas.
_UNAVAILABLE: Final = (
    "LOADING", "READONLY", "MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN",
    "TRYAGAIN", "NOAUTH", "WRONGPASS", "NOPERM",
)  # fmt: skip


def translate(error: Exception) -> Exception:
    """The domain error for what the client raised; a programming error stays what it is."""
    if isinstance(error, OutOfMemoryError) or str(error).startswith("OOM"):
        return QuotaExceeded(
            "STREAM_FULL", "the stream server is out of memory", retry_after_s=RETRY_AFTER_S
        )
    if type(error) is ResponseError and not str(error).startswith(_UNAVAILABLE):
        return error
    return DependencyDown("STREAM_DOWN", f"stream server: {type(error).__name__}")


@contextmanager
def surfaced() -> Iterator[None]:
    """Let infrastructure errors leave as domain errors."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise translate(error) from error
    except RuntimeError as error:
        # What uvloop has for a write to a connection that was reset a moment ago.
        if not str(error).endswith(_CLOSED):
            raise
        raise DependencyDown("STREAM_DOWN", "stream server: connection closed") from error


def translated(reply: Any) -> Any:
    """A pipeline's reply, errors among them translated."""
    return translate(reply) if isinstance(reply, RedisError) else reply


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error among a pipeline's replies."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def is_not_ahead(reply: Any) -> bool:
    """Whether the server refused an explicit id because the stream is already there."""
    return isinstance(reply, ResponseError) and "equal or smaller" in str(reply)
