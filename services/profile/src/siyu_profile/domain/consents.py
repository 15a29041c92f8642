"""Consents: an append-only ledger whose latest statement decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from siyu_kit.errors import InvalidInput

CHANNELS: Final = frozenset({"in_app", "push", "sms", "email", "wechat", "wecom", "call"})
PURPOSES: Final = frozenset({"marketing", "service"})


@dataclass(frozen=True, slots=True)
class Consent:
    """One statement by or for one identifier."""

    consent_id: str
    ident_no: int
    channel: str
    purpose: str
    granted: bool
    text_version: str
    evidence: str
    event_time_ms: int


def check_channel(channel: str, field: str) -> str:
    """The channel, if there is such a one."""
    if channel not in CHANNELS:
        raise InvalidInput(
            "FIELD_INVALID", f"a channel is one of {', '.join(sorted(CHANNELS))}", field=field
        )
    return channel


def check_purpose(purpose: str, field: str) -> str:
    """The purpose, if there is such a one."""
    if purpose not in PURPOSES:
        raise InvalidInput(
            "FIELD_INVALID", f"a purpose is one of {', '.join(sorted(PURPOSES))}", field=field
        )
    return purpose


def fold_consents(statements: Iterable[Consent]) -> dict[tuple[str, str], Consent]:
    """The deciding statement by channel and purpose.

    Of each identifier the latest counts (on a tie the withdrawal); of a person with several
    identifiers a withdrawal that stands for one of them binds all: persons merge by inference, and
    an opt-out must not be lost by one.
    """
    standing: dict[tuple[int, str, str], Consent] = {}
    for statement in statements:
        key = (statement.ident_no, statement.channel, statement.purpose)
        best = standing.get(key)
        if best is None or _latest(statement) > _latest(best):
            standing[key] = statement
    decided: dict[tuple[str, str], Consent] = {}
    for (_, channel, purpose), statement in standing.items():
        other = decided.get((channel, purpose))
        if other is None or _strictest(statement) > _strictest(other):
            decided[channel, purpose] = statement
    return decided


def kept_apart(
    withdrawn: Iterable[Consent],
    own: Mapping[tuple[str, str], Consent],
    ident_no: int,
    time_ms: int,
) -> list[Consent]:
    """The withdrawals of a person that one side of its split lacks, stated anew for that side.

    They count from the split on: a grant before it was overruled by the withdrawal, one after it
    is a new decision.

    Args:
        withdrawn: what the whole person had withdrawn.
        own: what decides for the side by itself.
        ident_no: the identifier that the side is named after.
        time_ms: when the split was made.
    """
    return [
        replace(
            consent,
            consent_id=f"parted-{time_ms}-{ident_no}-{consent.channel}-{consent.purpose}",
            ident_no=ident_no,
            event_time_ms=time_ms,
        )
        for consent in withdrawn
        if (consent.channel, consent.purpose) not in own
        or own[consent.channel, consent.purpose].granted
    ]


def _latest(statement: Consent) -> tuple[int, bool, str]:
    return statement.event_time_ms, not statement.granted, statement.consent_id


def _strictest(statement: Consent) -> tuple[bool, int, str]:
    return not statement.granted, statement.event_time_ms, statement.consent_id
