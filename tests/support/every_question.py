"""One question to each analysis model, over the events that the benchmarks lay down.

Names: launch, view, click, search, deposit, trade; properties ``channel`` and ``amount``; traits
``city`` and ``age``.
"""

from typing import Any

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import (
    attribute_pb2,
    attribution_pb2,
    channel_pb2,
    distribution_pb2,
    heatmap_pb2,
    interval_pb2,
    ltv_pb2,
    path_pb2,
    question_pb2,
    realtime_pb2,
    retention_pb2,
    session_pb2,
)
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.rpc.servicer import AnalyticsServicer


def _event(name: str) -> cpb.EventFilter:
    return cpb.EventFilter(event_name=name)


def every_question(rpc: AnalyticsServicer) -> dict[str, tuple[Any, Any]]:
    """By model: the method and the request, without project and range."""
    funnel = pb.QueryFunnelRequest(
        steps=[_event(name) for name in ("launch", "view", "deposit", "trade")]
    )
    events = pb.QueryEventsRequest(
        event=_event("trade"),
        granularity=question_pb2.GRANULARITY_DAY,
        measure=pb.MEASURE_SUM,
        measure_property="amount",
        breakdown=question_pb2.Breakdown(event_property="channel"),
    )
    retention = retention_pb2.QueryRetentionRequest(
        initial=[_event("launch")], returning=[_event("trade")], periods=14
    )
    interval = interval_pb2.QueryIntervalRequest(start=_event("view"), goal=_event("trade"))
    distribution = distribution_pb2.QueryDistributionRequest(
        event=_event("view"), bounds=[1, 2, 3, 5, 10, 20]
    )
    sessions = session_pb2.QuerySessionsRequest()
    paths = path_pb2.QueryPathsRequest(target=_event("launch"))
    attribution = attribution_pb2.QueryAttributionRequest(
        target=_event("deposit"),
        amount_property="amount",
        touches=[_event("click")],
        model=attribution_pb2.ATTRIBUTION_MODEL_LINEAR,
        breakdown=question_pb2.Breakdown(event_property="channel"),
    )
    ltv = ltv_pb2.QueryLtvRequest(
        cohort=_event("launch"), granularity=question_pb2.GRANULARITY_DAY, periods=14
    )
    ltv.revenue.add(event=_event("deposit"), property="amount", factor="0.01")
    channels = channel_pb2.QueryChannelsRequest(
        channel=question_pb2.Breakdown(event_property="channel"),
        pages=[_event("view")],
        new_event=_event("launch"),
        open_event=_event("trade"),
        deposit_event=_event("deposit"),
        amount_property="amount",
    )
    heatmap = heatmap_pb2.QueryHeatmapRequest(
        clicks=[_event("click")],
        visits=[_event("search")],
        x_property="amount",
        y_property="amount",
        depth_property="amount",
    )
    attributes = attribute_pb2.QueryAttributesRequest(
        measure=attribute_pb2.ATTRIBUTE_MEASURE_AVERAGE,
        measure_trait="age",
        breakdown=question_pb2.Breakdown(trait="city"),
    )
    return {
        "ltv": (rpc.QueryLtv, ltv),
        "channel": (rpc.QueryChannels, channels),
        "heatmap": (rpc.QueryHeatmap, heatmap),
        "attribute": (rpc.QueryAttributes, attributes),
        "realtime": (rpc.QueryRealtime, realtime_pb2.QueryRealtimeRequest()),
        "funnel": (rpc.QueryFunnel, funnel),
        "events": (rpc.QueryEvents, events),
        "retention": (rpc.QueryRetention, retention),
        "interval": (rpc.QueryInterval, interval),
        "distribution": (rpc.QueryDistribution, distribution),
        "session": (rpc.QuerySessions, sessions),
        "path": (rpc.QueryPaths, paths),
        "attribution": (rpc.QueryAttribution, attribution),
    }
