"""One message to one person on one channel, and the ways its state may go."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from siyu_kit.crypto import sm3
from siyu_kit.errors import PreconditionFailed
from siyu_touch.domain.vocabulary import Channel, MessageClass, SendState

_S = SendState
_SETTLED: Final = frozenset({_S.DELIVERED, _S.READ, _S.CLICKED})

TRANSITIONS: Final[Mapping[SendState, frozenset[SendState]]] = MappingProxyType(
    {
        _S.PLANNED: frozenset({_S.DEFERRED, _S.ATTEMPTING, _S.REFUSED, _S.EXPIRED}),
        # After an attempt that a provider put off, a receipt may still come in.
        _S.DEFERRED: frozenset(
            {_S.DEFERRED, _S.ATTEMPTING, _S.REFUSED, _S.EXPIRED, _S.FAILED, *_SETTLED}
        ),
        _S.ATTEMPTING: frozenset({_S.DEFERRED, _S.ACCEPTED, _S.FAILED, _S.UNKNOWN, *_SETTLED}),
        _S.ACCEPTED: frozenset({_S.FAILED, *_SETTLED}),
        _S.UNKNOWN: frozenset({_S.FAILED, *_SETTLED}),
        _S.DELIVERED: frozenset({_S.READ, _S.CLICKED}),
        _S.READ: frozenset({_S.CLICKED}),
        _S.CLICKED: frozenset(),
        _S.REFUSED: frozenset(),
        _S.FAILED: frozenset(),
        _S.EXPIRED: frozenset(),
    }
)
"""Where each state may go; an in-app message passes ATTEMPTING within one transaction.

A restored database may have missed steps, see ``app.freeze``.
"""

OPEN: Final = frozenset({_S.PLANNED, _S.DEFERRED, _S.ATTEMPTING})
"""States of a send that has not ended; a campaign is complete without them."""

DUE: Final = frozenset({_S.PLANNED, _S.DEFERRED})
"""States from which a dispatch may take a send."""

REPORTABLE: Final = frozenset({_S.FAILED, *_SETTLED})
"""What a receipt may say."""


@dataclass(frozen=True)
class Send:
    """A send; times are milliseconds UTC."""

    project_id: str
    send_key: str
    campaign_id: str
    person_no: int
    channel: Channel
    message_class: MessageClass
    template_id: str
    state: SendState
    due_ms: int
    expire_ms: int
    update_time_ms: int
    gate: str = ""
    reason: str = ""
    attempts: int = 0
    provider_message_id: str = ""
    trace: str | None = None
    """Traceparent of what planned it, then of its last attempt."""


def send_key(project_id: str, campaign_id: str, person_no: int, channel: Channel) -> str:
    """The key of the intent: SM3 of project, campaign, person and channel, hexadecimal."""
    return sm3(f"{project_id}|{campaign_id}|{person_no}|{channel.label}".encode()).hex()


def after_receipt(
    state: SendState, attempts: int, reported: SendState, *, restored: bool = False
) -> SendState:
    """The state after a report; a late or repeated one leaves it as it is.

    ``restored``: the database was put back and may not know of an attempt that was made.
    Raises ``PreconditionFailed`` for a message that never went out.
    """
    if restored and state in {_S.PLANNED, _S.DEFERRED, _S.EXPIRED}:
        return reported
    if state in {_S.PLANNED, _S.REFUSED, _S.EXPIRED} or (state is _S.DEFERRED and not attempts):
        raise PreconditionFailed(
            "NEVER_SENT", "no attempt was made for this send", state=state.name
        )
    return reported if reported in TRANSITIONS[state] else state
