"""Counts and measures of events, added up in Decimal one by one."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from oracle.condition_oracle import Person, is_meant
from oracle.texts import property_text, text
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb

Item = tuple[int, Any]
"""A person's number and an event of theirs."""


def group_of(event: Any, person: Person, by: str, name: str) -> str | None:
    """The group of an event by ``event_property`` or ``trait``; None without a value or split."""
    if by == "trait":
        return text(person.traits.get(name))
    return property_text(event, name) if by else None


def meant(persons: dict[int, Person], wanted: cpb.EventFilter, low: int, high: int) -> list[Item]:
    """The events that are counted."""
    return [
        (number, event)
        for number, person in persons.items()
        for event in person.events
        if low <= event.event_time_ms < high and is_meant(event, wanted)
    ]


def measure_of(measure: int, name: str, items: Sequence[Item]) -> str:
    """The measure of the events of a row."""
    if measure == pb.MEASURE_UNSPECIFIED:
        return ""
    people = len({number for number, _ in items})
    if measure == pb.MEASURE_EVENTS_PER_PERSON:
        return _shown(Decimal(len(items)), people)
    if measure == pb.MEASURE_DISTINCT:
        texts = {property_text(event, name) for _, event in items} - {None}
        return f"{len(texts)}.0000" if texts else ""
    amounts = [
        Decimal(str(event.number_properties[name]))
        for _, event in items
        if name in event.number_properties
    ]
    if not amounts:
        return ""
    whole = {
        pb.MEASURE_SUM: sum(amounts, Decimal(0)),
        pb.MEASURE_MAX: max(amounts),
        pb.MEASURE_MIN: min(amounts),
    }
    if measure in whole:
        return f"{whole[measure].quantize(Decimal('0.0001')):f}"
    return _shown(
        sum(amounts, Decimal(0)), len(amounts) if measure == pb.MEASURE_AVERAGE else people
    )


def _shown(amount: Decimal, number: int) -> str:
    if not number:
        return ""
    return f"{(amount / number).quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"


def ranked(items: Sequence[Item], groups: Sequence[str | None]) -> list[str | None]:
    """Groups by number of events, greatest first; of equals the one with a value, by its bytes."""
    counts: dict[str | None, int] = defaultdict(int)
    for group in groups:
        counts[group] += 1
    return sorted(counts, key=lambda g: (-counts[g], g is None, (g or "").encode()))
