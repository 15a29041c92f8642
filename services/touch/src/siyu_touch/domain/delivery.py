"""What a provider's answer means for a send."""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from siyu_touch.domain.vocabulary import MessageClass, SendState

MAX_ATTEMPTS: Final = 6
_FIRST_PAUSE_MS: Final = 1_000
_LONGEST_PAUSE_MS: Final = 60_000
_TURNED_AWAY_MS: Final = 300_000


class Answer(Enum):
    """How a call to a provider ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Refused for good; the message did not go out."""
    TURNED_AWAY = "turned_away"
    """Whoever calls is refused, whatever the message (redirect, 401, 404): it did not go out."""
    PUT_OFF = "put_off"
    """Not taken now (429, 503, connection refused); it surely did not go out."""
    AMBIGUOUS = "ambiguous"
    """Nobody knows: no answer in time, a cut connection, an error of the server."""


@dataclass(frozen=True)
class Delivery:
    """A provider's answer; ``retry_after_ms`` 0 when it did not say."""

    answer: Answer
    reason: str = ""
    provider_message_id: str = ""
    retry_after_ms: int = 0
    trace: str | None = None
    """Traceparent that the provider was called with."""


@dataclass(frozen=True)
class Settlement:
    """Where a send goes after an attempt; ``due_ms`` counts for DEFERRED alone."""

    state: SendState
    reason: str = ""
    due_ms: int = 0


def settle(
    delivery: Delivery, message_class: MessageClass, attempts: int, now_ms: int
) -> Settlement:
    """The state after an attempt, the ``attempts``-th.

    A marketing message whose fate is unknown is never tried again: at most one goes out. A
    provider that turns us away has to be put right by somebody: the message waits, at longest
    until it expires.
    """
    if delivery.answer is Answer.ACCEPTED:
        return Settlement(SendState.ACCEPTED)
    if delivery.answer is Answer.REJECTED:
        return Settlement(SendState.FAILED, delivery.reason)
    if delivery.answer is Answer.TURNED_AWAY:
        return Settlement(SendState.DEFERRED, delivery.reason, now_ms + _TURNED_AWAY_MS)
    ambiguous = delivery.answer is Answer.AMBIGUOUS
    if ambiguous and message_class is MessageClass.MARKETING:
        return Settlement(SendState.UNKNOWN, delivery.reason)
    if attempts >= MAX_ATTEMPTS:
        return Settlement(SendState.UNKNOWN if ambiguous else SendState.FAILED, delivery.reason)
    pause_ms = max(delivery.retry_after_ms, pause_before(attempts))
    return Settlement(SendState.DEFERRED, delivery.reason, now_ms + pause_ms)


def pause_before(attempts: int) -> int:
    """Full jitter: 0 to 1 s doubled with each attempt made, at most a minute; milliseconds."""
    return random.randint(0, min(_LONGEST_PAUSE_MS, _FIRST_PAUSE_MS << attempts))
