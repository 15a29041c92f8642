"""From the contract's messages to the domain's questions."""

from typing import Any, Final

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.type.v1 import result_key_pb2
from siyu_analytics.app.ports import Freshness, Snapshot
from siyu_analytics.domain import orders
from siyu_analytics.domain.breakdown import Breakdown
from siyu_analytics.domain.chain import Exclusion
from siyu_analytics.domain.checks import refuse
from siyu_analytics.domain.compared_range import Comparison
from siyu_analytics.domain.conversion import Definition
from siyu_analytics.domain.events import EventsRequest
from siyu_analytics.domain.funnel import FunnelRequest
from siyu_analytics.domain.measures import Measure
from siyu_analytics.domain.orders import Order
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.domain.scope import Scope
from siyu_analytics.rpc.conditions import condition_from, event_from, events_from
from siyu_analytics.rpc.enums import known

_GRANULARITIES: Final = {
    question_pb2.GRANULARITY_UNSPECIFIED: Granularity.WHOLE,
    question_pb2.GRANULARITY_HOUR: Granularity.HOUR,
    question_pb2.GRANULARITY_DAY: Granularity.DAY,
    question_pb2.GRANULARITY_WEEK: Granularity.WEEK,
    question_pb2.GRANULARITY_MONTH: Granularity.MONTH,
}
_MEASURES: Final = {
    pb.MEASURE_UNSPECIFIED: Measure.NONE,
    pb.MEASURE_SUM: Measure.SUM,
    pb.MEASURE_AVERAGE: Measure.AVERAGE,
    pb.MEASURE_MAX: Measure.MAX,
    pb.MEASURE_MIN: Measure.MIN,
    pb.MEASURE_SUM_PER_PERSON: Measure.SUM_PER_PERSON,
    pb.MEASURE_DISTINCT: Measure.DISTINCT,
    pb.MEASURE_EVENTS_PER_PERSON: Measure.EVENTS_PER_PERSON,
}
_COMPARISONS: Final = {
    pb.COMPARISON_UNSPECIFIED: Comparison.NONE,
    pb.COMPARISON_PREVIOUS: Comparison.PREVIOUS,
    pb.COMPARISON_LAST_YEAR: Comparison.LAST_YEAR,
    pb.COMPARISON_CUSTOM: Comparison.CUSTOM,
}
_ORDERS: Final = {
    pb.FUNNEL_ORDER_UNSPECIFIED: None,
    pb.FUNNEL_ORDER_SEQUENTIAL: Order.SEQUENTIAL,
    pb.FUNNEL_ORDER_STRICT: Order.STRICT,
    pb.FUNNEL_ORDER_STRICT_DEDUP: Order.STRICT_DEDUP,
    pb.FUNNEL_ORDER_ANY_ORDER: Order.ANY_ORDER,
    pb.FUNNEL_ORDER_GROWINGIO_TOLERANT: Order.GROWINGIO_TOLERANT,
    pb.FUNNEL_ORDER_NEAREST: Order.NEAREST,
}
ORDER_NUMBERS: Final = {order: number for number, order in _ORDERS.items() if order}
"""The contract's number of each order."""
_PRESETS: Final = {
    pb.FUNNEL_PRESET_UNSPECIFIED: orders.DEFAULT,
    pb.FUNNEL_PRESET_ARK: orders.ARK,
    pb.FUNNEL_PRESET_SENSORS: orders.SENSORS,
    pb.FUNNEL_PRESET_GROWINGIO: orders.GROWINGIO,
    pb.FUNNEL_PRESET_POSTHOG: orders.POSTHOG,
}


def scope_from(message: question_pb2.Scope, field: str) -> Scope:
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
    measure = known(_MEASURES, message.measure, "measure")
    comparison = known(_COMPARISONS, message.comparison, "comparison")
    return EventsRequest(
        scope=scope_from(message.scope, "scope"),
        event=event_from(message.event, "event"),
        granularity=granularity_from(message.granularity, "granularity"),
        breakdown=breakdown_from(message.breakdown),
        measure=measure,
        measure_property=message.measure_property,
        comparison=comparison,
        compare_from_ms=message.compare_from_time_ms,
    )


def funnel_request_from(message: pb.QueryFunnelRequest) -> FunnelRequest:
    """QueryFunnel."""
    if message.order not in _ORDERS:
        refuse("order", "a known order")
    preset = known(_PRESETS, message.preset, "preset")
    return FunnelRequest(
        scope=scope_from(message.scope, "scope"),
        steps=events_from(message.steps, "steps"),
        window_ms=message.window_ms,
        order=_ORDERS[message.order],
        breakdown=breakdown_from(message.breakdown),
        breakdown_step=message.breakdown_step,
        preset=preset,
        exclusions=tuple(
            Exclusion(
                event_from(item.event, f"exclusions[{place}].event"), item.from_step, item.to_step
            )
            for place, item in enumerate(message.exclusions)
        ),
        same_property=message.same_property,
        bounds_ms=tuple(message.convert_bounds_ms),
        trend=granularity_from(message.trend, "trend"),
    )


def definition_from(message: pb.ConversionDefinition) -> Definition:
    """QueryConversion and FindTurningPoint."""
    return Definition(
        scope=scope_from(message.scope, "definition.scope"),
        start=event_from(message.start, "definition.start"),
        goal=event_from(message.goal, "definition.goal"),
        behaviour=event_from(message.behaviour, "definition.behaviour"),
    )


def granularity_from(number: int, field: str) -> Granularity:
    """A split over time."""
    return known(_GRANULARITIES, number, field, what="granularity")


def breakdown_from(message: question_pb2.Breakdown) -> Breakdown | None:
    """A split by a value; None without one."""
    match message.WhichOneof("by"):
        case "event_property":
            return Breakdown(message.event_property, limit=message.limit)
        case "trait":
            return Breakdown(message.trait, by_trait=True, limit=message.limit)
        case _:
            return None


def fill_breakdown(echo: Any, breakdown: Breakdown | None) -> None:
    """Write the limit of a question's ``breakdown``, if it has one, into an echo of it."""
    if breakdown is not None:
        echo.breakdown.limit = breakdown.limit


def fill_scope(message: question_pb2.Scope, scope: Scope) -> None:
    """The question that a digest and a token are of: defaults in, what the call adds out."""
    message.from_time_ms = scope.from_ms
    message.to_time_ms = scope.to_ms
    message.as_of_time_ms = scope.as_of_ms
    message.zone = scope.zone
    message.ClearField("freshness")
    message.ClearField("state")


def audience_question(request: Any, scope: Scope) -> Any:
    """The same of a question about a condition, which has no scope but is said beside it."""
    question = type(request)()
    question.CopyFrom(request)
    question.as_of_time_ms, question.zone = scope.as_of_ms, scope.zone
    question.ClearField("freshness")
    question.ClearField("state")
    return question


def restore_call(echo: question_pb2.Scope, asked: question_pb2.Scope) -> None:
    """Put back into an echo what the call added to the question."""
    echo.freshness.CopyFrom(asked.freshness)
    if asked.HasField("state"):
        echo.state.CopyFrom(asked.state)


def state_from(message: Any) -> Snapshot | None:
    """The earlier state that a scope, or a request of the kind, asks for; None: the present one."""
    if not message.HasField("state"):
        return None
    if not message.as_of_time_ms:
        refuse("as_of_time_ms", "that of the key whose state is asked for")
    state = message.state
    return Snapshot(state.batch_no, state.identity_sequence, state.profile_sequence)
