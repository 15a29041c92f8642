"""The questions of the story, in the words of the contracts and in the words of the truth."""

from collections.abc import Iterable

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as conditions
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu.type.v1.value_pb2 import StringList
from siyu.type.v1.value_pb2 import Value as ValueMessage
from siyu_demo.records import Identifier, Value
from siyu_demo.simulator.settings import DAY_MS
from siyu_demo.simulator.vocabulary import OPEN_STEPS
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import ConversionQuestion, FunnelQuestion, Happening

FIRST_DEPOSIT = Happening("deposit", (("is_first", True),))
TRADE = Happening("trade")
NEWS = Happening("news_view")
STEPS = tuple(Happening("open_step", (("step", step),)) for step in OPEN_STEPS)

FUNNEL_WINDOW_MS = 7 * DAY_MS
BUCKET_BOUNDS = [3, 6]
PAPERS_BOUND = 5
"""The white paper's audience has at most 4 views: fewer than 5."""


def funnel_question(stage: Stage) -> FunnelQuestion:
    """The opening funnel by channel."""
    settings = stage.settings
    return FunnelQuestion(
        STEPS, settings.start_ms, settings.end_ms, FUNNEL_WINDOW_MS, split_by="channel"
    )


def funnel_request(stage: Stage) -> analytics.QueryFunnelRequest:
    """The same for the platform."""
    return analytics.QueryFunnelRequest(
        project_id=PROJECT,
        scope=scope(stage),
        steps=[event_filter(step) for step in STEPS],
        window_ms=FUNNEL_WINDOW_MS,
        order=analytics.FUNNEL_ORDER_SEQUENTIAL,
        breakdown=question_pb2.Breakdown(event_property="channel"),
    )


def conversion_question(stage: Stage) -> ConversionQuestion:
    """From the first deposit to a trade, by views of the news."""
    settings = stage.settings
    return ConversionQuestion(FIRST_DEPOSIT, TRADE, NEWS, settings.start_ms, settings.end_ms)


def conversion_definition(stage: Stage) -> analytics.ConversionDefinition:
    """The same for the platform."""
    return analytics.ConversionDefinition(
        scope=scope(stage),
        start=event_filter(FIRST_DEPOSIT),
        goal=event_filter(TRADE),
        behaviour=event_filter(NEWS),
    )


def few_views_condition(stage: Stage, below: int) -> conditions.Condition:
    """First deposit, no trade, fewer views of the news than a bound, all within the quarter."""
    leaves = [
        _count(stage, FIRST_DEPOSIT, conditions.OPERATOR_GE, 1),
        _count(stage, TRADE, conditions.OPERATOR_EQ, 0),
        _count(stage, NEWS, conditions.OPERATOR_LT, below),
    ]
    return conditions.Condition(all_of=conditions.AllOf(conditions=leaves))


def _count(
    stage: Stage, happening: Happening, operator: conditions.Operator.ValueType, operand: int
) -> conditions.Condition:
    window = conditions.AbsoluteWindow(
        from_time_ms=stage.settings.start_ms, to_time_ms=stage.settings.end_ms
    )
    return conditions.Condition(
        event_count=conditions.EventCountCondition(
            event=event_filter(happening),
            window=conditions.Window(absolute=window),
            operator=operator,
            operands=[operand],
        )
    )


def scope(stage: Stage) -> question_pb2.Scope:
    """The quarter, with everything that was sent."""
    return question_pb2.Scope(
        from_time_ms=stage.settings.start_ms,
        to_time_ms=stage.settings.end_ms,
        freshness=stage.freshness,
    )


def event_filter(happening: Happening) -> conditions.EventFilter:
    """Which events are meant, as the contract says it."""
    filters = [
        conditions.PropertyFilter(
            property=name, operator=conditions.OPERATOR_EQ, operands=[value_message(value)]
        )
        for name, value in happening.where
    ]
    return conditions.EventFilter(event_name=happening.event, filters=filters)


def value_message(value: Value) -> ValueMessage:
    """A typed value as the contract says it."""
    if isinstance(value, bool):
        return ValueMessage(bool_value=value)
    if isinstance(value, str):
        return ValueMessage(string_value=value)
    if isinstance(value, list):
        return ValueMessage(list_value=StringList(values=value))
    return ValueMessage(number_value=value)


def identifier_message(identifier: Identifier) -> IdentifierMessage:
    """An identifier as the contract says it."""
    return IdentifierMessage(type=identifier[0], value=identifier[1])


def identifier_messages(identifiers: Iterable[Identifier]) -> list[IdentifierMessage]:
    """Many of them."""
    return [identifier_message(identifier) for identifier in identifiers]
