"""Lifetime value: one person's revenue, event by event."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from oracle.condition_oracle import is_meant
from oracle.retention_oracle import Days, after, period_of
from siyu.analytics.v1 import ltv_pb2 as pb


class Earned(NamedTuple):
    """A person of a cohort: its period, the event, revenue by periods since, when first any."""

    cohort: Days
    event: Any
    by_period: list[Decimal]
    first: int | None


def earned_by(request: pb.QueryLtvRequest, events: Sequence[Any]) -> Earned | None:
    """What a person brought in; None for somebody of no cohort."""
    scope = request.scope
    seen = [e for e in events if e.event_time_ms <= scope.as_of_time_ms]
    came = [
        e
        for e in seen
        if scope.from_time_ms <= e.event_time_ms < scope.to_time_ms and is_meant(e, request.cohort)
    ]
    if not came:
        return None
    event = min(came, key=lambda e: (e.event_time_ms, e.message_id))
    cohort = period_of(event.event_time_ms, request.granularity, scope.zone)
    by_period, first = [], None
    for n in range(request.periods):
        period = after(cohort, n, request.granularity)
        amount, paid = Decimal(0), False
        for e in seen:
            if period_of(e.event_time_ms, request.granularity, scope.zone) != period:
                continue
            for term in request.revenue:
                if is_meant(e, term.event) and term.property in e.number_properties:
                    value = Decimal(str(e.number_properties[term.property]))
                    amount += value * Decimal(term.factor or "1")
                    paid = True
        by_period.append(amount)
        first = n if paid and first is None else first
    return Earned(cohort, event, by_period, first)
