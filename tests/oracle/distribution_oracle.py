"""Distributions: the value of one person, taken from their events one by one."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from oracle.texts import property_text
from siyu.analytics.v1 import distribution_pb2 as pb


def value_of(request: pb.QueryDistributionRequest, events: Sequence[Any]) -> Decimal | None:
    """The value of somebody with these events of one period and group; None for no bucket."""
    name = request.measure_property
    if request.measure == pb.DISTRIBUTION_MEASURE_TIMES:
        return Decimal(len(events))
    if request.measure == pb.DISTRIBUTION_MEASURE_DISTINCT:
        texts = {property_text(event, name) for event in events} - {None}
        return Decimal(len(texts)) if texts else None
    if request.measure < pb.DISTRIBUTION_MEASURE_SUM:
        return Decimal(_active(request, events))
    amounts = [
        Decimal(str(e.number_properties[name])) for e in events if name in e.number_properties
    ]
    return _of_amounts(request.measure, amounts) if amounts else None


def _active(request: pb.QueryDistributionRequest, events: Sequence[Any]) -> int:
    local = [
        datetime.fromtimestamp(e.event_time_ms // 1000, ZoneInfo(request.scope.zone))
        for e in events
    ]
    if request.measure == pb.DISTRIBUTION_MEASURE_ACTIVE_HOURS:
        return len({(t.date(), t.hour) for t in local})
    return len({t.date() for t in local})


def _of_amounts(measure: int, amounts: list[Decimal]) -> Decimal:
    if measure == pb.DISTRIBUTION_MEASURE_SUM:
        return sum(amounts, Decimal(0))
    if measure == pb.DISTRIBUTION_MEASURE_AVERAGE:
        mean = sum(amounts, Decimal(0)) / len(amounts)
        return mean.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    return max(amounts) if measure == pb.DISTRIBUTION_MEASURE_MAX else min(amounts)
