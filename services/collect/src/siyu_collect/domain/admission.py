"""What an event must be to come in: every rule, applied to one event.

``sifting`` passes the plain events of a batch faster; whatever is not plain is judged here, so
this module alone says what is right.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from siyu_collect.domain import identifiers, operations, texts, times
from siyu_collect.domain.form import EventForm
from siyu_collect.domain.identifiers import Identifier
from siyu_collect.domain.limits import (
    CONTEXT_KEYS,
    DECIMALS,
    MAX_NUMBER,
    MAX_PROPERTIES,
    MAX_TEXT_BYTES,
    MAX_TIME_MS,
    MIN_TIME_MS,
)
from siyu_collect.domain.vocabulary import (
    AUTHENTICATED,
    BIND,
    MASK_LINK,
    MASK_TRACK,
    OBSERVED,
    STEWARD,
    TRACK,
)
from siyu_kit.errors import InvalidInput

REMEMBERED: Final = 20_000
"""Names and keys kept at hand; forgotten all at once, so a flood of new ones costs no memory."""


class Admission:
    """The rules with their memory of names and keys found right; one for the process."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.keys: set[str] = set()

    def admit(self, event: EventForm, origin: "Origin") -> "Admitted":
        """Bring the event into its one form, or raise InvalidInput with reason and field."""
        texts.check_message_id(event.message_id)
        kind = event.kind
        if kind == TRACK:
            texts.check_name(event.name)
            remember(self.names, event.name)
            kinds = MASK_TRACK
        else:
            kinds = operations.check(event, kind)
        ids = _settle_ids(event)
        kinds |= _settle_evidence(event, kind, ids)
        if kinds == MASK_LINK:
            operations.check_link(ids)
        _settle_time(event, origin)
        self._settle_properties(event)
        event.project_id = origin.project_id
        event.received_time_ms = origin.received_ms
        if origin.source != event.source:
            event.source = origin.source
        payload = event.SerializeToString()
        # Only an event this long can hold an overlong text. What profiles keep goes to SQL stores,
        # and those cannot hold a NUL: it would stop a reader, so it ends here.
        if len(payload) > MAX_TEXT_BYTES or (kind != TRACK and b"\0" in payload):
            texts.check_texts(event, nul_allowed=kind == TRACK)
        return payload, kinds, ids[0]

    def _settle_properties(self, event: EventForm) -> None:
        strings, numbers, booleans = (
            event.string_properties,
            event.number_properties,
            event.bool_properties,
        )
        times_, lists = event.time_properties, event.list_properties
        keys = {*strings, *numbers, *booleans, *times_, *lists}
        count = len(strings) + len(numbers) + len(booleans) + len(times_) + len(lists)
        if count > MAX_PROPERTIES or len(keys) != count:
            raise _bad_count(count)
        if not self.keys.issuperset(keys):
            texts.check_keys(keys)
            remember(self.keys, *keys)
        _settle_numbers(numbers)
        for key in times_:
            if not MIN_TIME_MS <= times_[key] <= MAX_TIME_MS:
                raise _bad_value(key, "a time lies between the years 1900 and 2299")
        if lists:
            texts.check_lists(event)
        context = event.context
        if not CONTEXT_KEYS.issuperset(context):
            texts.check_context_keys(context)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch comes from: the same for all of its events."""

    project_id: str
    source: str
    received_ms: int
    history: bool = False


Admitted = tuple[bytes, int, Identifier]
"""The event's bytes, its kind mask and its subject."""


def _settle_ids(event: EventForm) -> list[Identifier]:
    given = event.ids
    pairs = [(item.type, item.value) for item in given]
    ids = identifiers.settled(pairs)
    # A settled identifier is (rank, type, value): equal tails mean that nothing changed.
    if len(ids) != len(pairs) or any(
        item[2] != pair[1] or item[1] != pair[0] for item, pair in zip(ids, pairs, strict=True)
    ):
        del given[:]
        for identifier in ids:
            given.add(type=identifier.type, value=identifier.value)
    return ids


def _settle_numbers(numbers: MutableMapping[str, float]) -> None:
    # Of a list: setting a value moves it in the message's map, and a walk over that skips others.
    for key in list(numbers):
        value = numbers[key]
        if not -MAX_NUMBER <= value <= MAX_NUMBER:  # also false for NaN
            raise _bad_value(key, f"a number is finite and at most {MAX_NUMBER:g}")
        if (short := round(value, DECIMALS)) != value:
            numbers[key] = short


def _settle_evidence(event: EventForm, kind: int, ids: list[Identifier]) -> int:
    evidence = event.evidence_class
    if evidence == STEWARD or not 0 <= evidence <= OBSERVED:
        raise InvalidInput(
            "EVIDENCE_FORBIDDEN",
            "an event may not claim this class of evidence",
            field="evidence_class",
        )
    if len(ids) < 2:
        return 0
    if not evidence:
        event.evidence_class = AUTHENTICATED if kind == BIND else OBSERVED
    return MASK_LINK


def _settle_time(event: EventForm, origin: Origin) -> None:
    given, client = event.event_time_ms, event.client_time_ms
    times.check_client(client, event.sent_time_ms)
    if not client:
        event.client_time_ms = given
    received = origin.received_ms
    corrected = given or times.corrected(client, event.sent_time_ms, received)
    settled = times.settled(corrected, received, history=origin.history)
    if settled != given:
        event.event_time_ms = settled


def remember(known: set[str], *words: str) -> None:
    """Keep words at hand, within bounds."""
    if len(known) > REMEMBERED:
        known.clear()
    known.update(words)


def _bad_count(count: int) -> InvalidInput:
    if count > MAX_PROPERTIES:
        return InvalidInput(
            "TOO_MANY_PROPERTIES",
            f"an event has at most {MAX_PROPERTIES} properties",
            field="properties",
            limit=str(MAX_PROPERTIES),
        )
    return InvalidInput("KEY_INVALID", "a key has values of two types", field="properties")


def _bad_value(key: str, rule: str) -> InvalidInput:
    return InvalidInput("VALUE_INVALID", rule, field=f"properties[{key}]")
