"""Attribution: each conversion shared among its touches in exact fractions."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from oracle.condition_oracle import is_meant
from oracle.texts import property_text
from siyu.analytics.v1 import attribution_pb2 as pb

SCALE = 10_000


class Conversion(NamedTuple):
    """One conversion: the event, its worth in ten-thousandths, its touches, earliest first."""

    event: Any
    amount: int
    touches: list[Any]


def conversions_of(request: pb.QueryAttributionRequest, events: Sequence[Any]) -> list[Conversion]:
    """The conversions of a person."""
    scope, name = request.scope, request.amount_property
    found = []
    for event in events:
        ranged = scope.from_time_ms <= event.event_time_ms < scope.to_time_ms
        if not ranged or event.event_time_ms > scope.as_of_time_ms:
            continue
        if is_meant(event, request.target):
            amount = 0 if name else SCALE
            if name in event.number_properties:
                amount = round(event.number_properties[name] * SCALE)
            found.append(Conversion(event, amount, _touches(request, event, events)))
    return found


def _touches(
    request: pb.QueryAttributionRequest, conversion: Any, events: Sequence[Any]
) -> list[Any]:
    latest = conversion.event_time_ms
    near = [
        e
        for e in events
        if latest - request.window_ms <= e.event_time_ms < latest
        and any(is_meant(e, touch) for touch in request.touches)
    ]
    if request.same_property:
        same = property_text(conversion, request.same_property)
        near = [
            e for e in near if same is not None and same == property_text(e, request.same_property)
        ]
    return sorted(near, key=lambda e: (e.event_time_ms, e.message_id))


def shares(
    request: pb.QueryAttributionRequest, whole: int, conversion: Any, near: list[Any]
) -> list[int]:
    """What each touch is owed of a whole, in ten-thousandths."""
    sums = [0]
    weights = _weights(request, conversion, near)
    for place in range(1, len(near) + 1):
        part = sum(weights[:place], Fraction(0)) / sum(weights, Fraction(0))
        sums.append(round(whole * part))
    return [after - before for before, after in pairwise(sums)]


def _weights(
    request: pb.QueryAttributionRequest, conversion: Any, near: list[Any]
) -> list[Fraction]:
    k = len(near)
    match request.model:
        case pb.ATTRIBUTION_MODEL_FIRST:
            return [Fraction(n == 0) for n in range(k)]
        case pb.ATTRIBUTION_MODEL_LAST:
            return [Fraction(n == k - 1) for n in range(k)]
        case pb.ATTRIBUTION_MODEL_LINEAR:
            return [Fraction(1)] * k
        case pb.ATTRIBUTION_MODEL_POSITION:
            middle = Fraction(20, max(1, k - 2))
            ends = Fraction(40)
            return [Fraction(1)] * k if k < 3 else [ends, *[middle] * (k - 2), ends]
        case _:
            latest = conversion.event_time_ms
            return [
                Fraction(2 ** ((e.event_time_ms - latest) / request.half_life_ms)) for e in near
            ]
