"""From the contract's messages to the domain's questions."""

from typing import Final

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.type.v1 import result_key_pb2
from siyu_analytics.app.ports import Freshness, Snapshot
from siyu_analytics.domain.breakdown import Breakdown
from siyu_analytics.domain.checks import refuse
from siyu_analytics.domain.conversion import Definition
from siyu_analytics.domain.events import EventsRequest, Granularity, Measure
from siyu_analytics.domain.funnel import FunnelRequest
from siyu_analytics.domain.scope import Scope
from siyu_analytics.rpc.conditions import condition_from, event_from, events_from

_GRANULARITIES: Final = {
    pb.GRANULARITY_UNSPECIFIED: Granularity.WHOLE,
    pb.GRANULARITY_HOUR: Granularity.HOUR,
    pb.GRANULARITY_DAY: Granularity.DAY,
}
_MEASURES: Final = {
    pb.MEASURE_UNSPECIFIED: Measure.NONE,
    pb.MEASURE_SUM: Measure.SUM,
    pb.MEASURE_AVERAGE: Measure.AVERAGE,
}
_ORDERS: Final = {
    pb.FUNNEL_ORDER_UNSPECIFIED: False,
    pb.FUNNEL_ORDER_SEQUENTIAL: False,
    pb.FUNNEL_ORDER_STRICT: True,
}


def scope_from(message: pb.Scope, field: str) -> Scope:
    """Range, time of view, zone and persons."""
    persons = None
    if message.HasField("persons"):
        persons = condition_from(message.persons, f"{field}.persons")
    return Scope(
        from_ms=message.from_time_ms,
        to_ms=message.to_time_ms,
        as_of_ms=message.as_of_time_ms,
        zone=message.zone,
        persons=persons,
    )


def freshness_from(message: result_key_pb2.Freshness) -> Freshness:
    """How far the store must have read."""
    return Freshness(
        min_batch_no=message.min_batch_no,
        min_identity_sequence=message.min_identity_sequence,
        min_profile_sequence=message.min_profile_sequence,
    )


def events_request_from(message: pb.QueryEventsRequest) -> EventsRequest:
    """QueryEvents."""
    granularity = _GRANULARITIES.get(message.granularity)
    measure = _MEASURES.get(message.measure)
    if granularity is None:
        refuse("granularity", "a known granularity")
    if measure is None:
        refuse("measure", "a known measure")
    return EventsRequest(
        scope=scope_from(message.scope, "scope"),
        event=event_from(message.event, "event"),
        granularity=granularity,
        breakdown=_breakdown_from(message.breakdown),
        measure=measure,
        measure_property=message.measure_property,
    )


def funnel_request_from(message: pb.QueryFunnelRequest) -> FunnelRequest:
    """QueryFunnel."""
    strict = _ORDERS.get(message.order)
    if strict is None:
        refuse("order", "a known order")
    return FunnelRequest(
        scope=scope_from(message.scope, "scope"),
        steps=events_from(message.steps, "steps"),
        window_ms=message.window_ms,
        strict=strict,
        breakdown=_breakdown_from(message.breakdown),
    )


def definition_from(message: pb.ConversionDefinition) -> Definition:
    """QueryConversion and FindTurningPoint."""
    return Definition(
        scope=scope_from(message.scope, "definition.scope"),
        start=event_from(message.start, "definition.start"),
        goal=event_from(message.goal, "definition.goal"),
        behaviour=event_from(message.behaviour, "definition.behaviour"),
    )


def _breakdown_from(message: pb.Breakdown) -> Breakdown | None:
    match message.WhichOneof("by"):
        case "event_property":
            return Breakdown(message.event_property, limit=message.limit)
        case "trait":
            return Breakdown(message.trait, by_trait=True, limit=message.limit)
        case _:
            return None


def fill_scope(message: pb.Scope, scope: Scope) -> None:
    """Writes the defaults that were filled in into an echo of the request."""
    message.from_time_ms = scope.from_ms
    message.to_time_ms = scope.to_ms
    message.as_of_time_ms = scope.as_of_ms
    message.zone = scope.zone


def key_of(snapshot: Snapshot, as_of_ms: int) -> result_key_pb2.ResultKey:
    """A result's key, without its digests."""
    return result_key_pb2.ResultKey(
        as_of_time_ms=as_of_ms,
        batch_no=snapshot.batch_no,
        identity_sequence=snapshot.identity_sequence,
        profile_sequence=snapshot.profile_sequence,
    )
