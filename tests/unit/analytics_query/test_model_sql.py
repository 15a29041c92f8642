"""The models' statements: what a caller wrote is bound, and never stands in the text."""

from typing import Any

import pytest

from siyu_analytics.domain import attribute, attribution, distribution, ltv
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import OTHER, Breakdown, GroupKey
from siyu_analytics.domain.chain import Exclusion
from siyu_analytics.domain.channel import ChannelCell, Channels, Milestones
from siyu_analytics.domain.filters import EventFilter, PropertyFilter
from siyu_analytics.domain.funnel import FunnelCell, FunnelRequest, check_funnel
from siyu_analytics.domain.funnel_plan import funnel_members, funnel_query
from siyu_analytics.domain.heatmap import Heatmap, HeatmapCell, Names
from siyu_analytics.domain.interval import Interval, IntervalCell
from siyu_analytics.domain.orders import UNORDERED, Order
from siyu_analytics.domain.path import GOES_ON, PathCell, Paths
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.domain.realtime import Realtime, RealtimeCell
from siyu_analytics.domain.retention import Retention, RetentionCell
from siyu_analytics.domain.scope import Scope
from siyu_analytics.domain.session import SessionCell, Sessions
from siyu_analytics.domain.session_rule import SessionRule
from siyu_analytics.domain.values import Operator
from siyu_kit.errors import InvalidInput

NOW_MS = 1_790_000_123_456
HOSTILE = "x') OR {p0:String} --"
BASIS = Basis("p", NOW_MS, "Asia/Shanghai", 7, 5, "ident_no", "(SELECT 1 AS person_no)")
SCOPE = Scope(from_ms=NOW_MS - 86_400_000, to_ms=NOW_MS)
EVENT = EventFilter(HOSTILE, (PropertyFilter(HOSTILE, Operator.EQ, (HOSTILE,)),))
SPLIT = Breakdown(HOSTILE)
TRAIT = Breakdown(HOSTILE, by_trait=True)
RULE = SessionRule((EVENT,), (HOSTILE,), 0, over_midnight=False, starting=(EVENT,))
GROUP = GroupKey(HOSTILE)
KEPT = [GROUP, GroupKey(missing=True)]
QUESTIONS: list[tuple[Any, Any]] = [
    (
        Retention(SCOPE, (EVENT,), (EVENT,), breakdown=SPLIT, metric_event=EVENT),
        RetentionCell(20_000, GROUP, 3, lost=True),
    ),
    (Interval(SCOPE, EVENT, EVENT, breakdown=TRAIT), IntervalCell(5, OTHER, (1, 2))),
    (
        distribution.Distribution(
            SCOPE, EVENT, distribution.Measure.SUM, HOSTILE, Granularity.WEEK, SPLIT, grid=True
        ),
        distribution.DistributionCell(5, GROUP, 3, grid=False),
    ),
    (
        Sessions(SCOPE, RULE, (EVENT,), Granularity.MONTH, SPLIT, HOSTILE),
        SessionCell(5, GROUP, "took", 1, 2),
    ),
    (
        Paths(SCOPE, RULE, EVENT, split_event=HOSTILE, split_property=HOSTILE),
        PathCell(1, GROUP, GOES_ON, OTHER),
    ),
    (
        attribution.Attribution(
            SCOPE, EVENT, HOSTILE, (EVENT,), breakdown=SPLIT, same_property=HOSTILE
        ),
        attribution.AttributionCell(OTHER, direct=False),
    ),
    (
        attribute.Attributes(SCOPE, attribute.Measure.SUM, HOSTILE, TRAIT),
        attribute.AttributeCell(GROUP, valued=True),
    ),
    (
        ltv.Ltv(SCOPE, EVENT, (ltv.Term(EVENT, HOSTILE, "0.5"),), breakdown=SPLIT),
        ltv.LtvCell(24_000, GROUP, 1),
    ),
    (
        Channels(SCOPE, RULE, SPLIT, (EVENT,), Milestones(EVENT, EVENT, EVENT, EVENT), HOSTILE),
        ChannelCell(GROUP, "opened"),
    ),
    (Heatmap(SCOPE, (EVENT,), (EVENT,), Names(*[HOSTILE] * 6)), HeatmapCell(GROUP, 0)),
    (Realtime(SCOPE, (EVENT,)), RealtimeCell(60_000)),
]


@pytest.mark.parametrize(("question", "cell"), QUESTIONS, ids=lambda x: type(x).__name__)
def test_a_model_binds_what_a_caller_wrote(question: Any, cell: Any) -> None:
    question = question.filled(NOW_MS)
    question.check()
    binder = Binder(BASIS)
    texts = [question.answer(binder, KEPT).sql, question.members(binder, cell, KEPT)]
    groups = question.groups(binder)
    texts += [groups.sql] if groups else []
    assert not any(HOSTILE in text for text in texts)
    assert all(text.count("(") == text.count(")") for text in texts)
    assert HOSTILE in binder.parameters.values()


@pytest.mark.parametrize("order", list(Order))
def test_a_funnel_binds_what_a_caller_wrote(order: Order) -> None:
    exclusions = () if order in UNORDERED else (Exclusion(EVENT, 0, 2),)
    request = FunnelRequest(
        SCOPE,
        (EVENT, EVENT, EVENT),
        order=order,
        breakdown=SPLIT,
        breakdown_step=1,
        exclusions=exclusions,
        same_property=HOSTILE,
        bounds_ms=(5, 10),
        trend=Granularity.DAY,
    ).filled(NOW_MS)
    check_funnel(request)
    binder = Binder(BASIS)
    cell = FunnelCell(2, False, GROUP, None, (0, 5))
    texts = [funnel_query(binder, request, KEPT).sql, funnel_members(binder, request, cell, KEPT)]
    assert not any(HOSTILE in text for text in texts)
    assert all(text.count("(") == text.count(")") for text in texts)


@pytest.mark.parametrize("order", sorted(UNORDERED, key=lambda order: order.value))
def test_nothing_is_excluded_where_there_is_no_between(order: Order) -> None:
    exclusions = (Exclusion(EVENT, 0, 1),)
    request = FunnelRequest(SCOPE, (EVENT, EVENT), order=order, exclusions=exclusions)
    with pytest.raises(InvalidInput, match="exclusions"):
        check_funnel(request.filled(NOW_MS))
