"""Chapter 4: news views against the first trade, and the turning point (量质转换点)."""

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu_client.client import call
from siyu_demo.story.checks import Pair
from siyu_demo.story.questions import (
    BUCKET_BOUNDS,
    conversion_definition,
    conversion_question,
)
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import Conversion

TITLE = "News views, and who goes on to trade"
_MAX_K = 12


async def tell(stage: Stage) -> None:
    """First deposit to first trade by buckets of news views, then phi for each threshold."""
    truth = Conversion(conversion_question(stage), stage.ledger, stage.people)
    await _show_buckets(stage, truth)
    await _show_turning_point(stage, truth)


async def _show_buckets(stage: Stage, truth: Conversion) -> None:
    request = analytics.QueryConversionRequest(
        project_id=PROJECT, definition=conversion_definition(stage), bounds=BUCKET_BOUNDS
    )
    answer = await call(stage.client.analytics.QueryConversion, request)
    columns = ("persons", "converted", "rate", "95 % from", "to")
    with stage.checks.table("First deposit to a trade, by views of the news", *columns) as table:
        for found, expected in zip(answer.buckets, truth.buckets(BUCKET_BOUNDS), strict=True):
            rate = expected.rate
            table.row(
                _bucket(expected.from_count, expected.to_count),
                Pair(found.persons.persons, len(expected.persons)),
                Pair(found.converted.persons, len(expected.converted)),
                Pair(found.rate.value, rate.value),
                Pair(found.rate.low, rate.low),
                Pair(found.rate.high, rate.high),
            )


async def _show_turning_point(stage: Stage, truth: Conversion) -> None:
    request = analytics.FindTurningPointRequest(
        project_id=PROJECT, definition=conversion_definition(stage), max_k=_MAX_K
    )
    answer = await call(stage.client.analytics.FindTurningPoint, request)
    found = {candidate.k: candidate for candidate in answer.candidates}
    columns = ("k or more, traded", "k or more, not", "fewer, traded", "fewer, not", "phi")
    with stage.checks.table("How well 'at least k views' tells who trades", *columns) as table:
        for expected in truth.candidates(_MAX_K):
            candidate = found.get(expected.k, analytics.TurningPointCandidate())
            table.row(
                f"k = {expected.k}{'  turning point' if expected.k == answer.k else ''}",
                Pair(candidate.true_positive, expected.true_positive),
                Pair(candidate.false_positive, expected.false_positive),
                Pair(candidate.false_negative, expected.false_negative),
                Pair(candidate.true_negative, expected.true_negative),
                Pair(candidate.phi, expected.phi),
            )
    with stage.checks.table("Turning point") as table:
        table.row("k", Pair(answer.k, truth.turning_point(_MAX_K).k))


def _bucket(from_count: int, to_count: int | None) -> str:
    return (
        f"{from_count} views or more" if to_count is None else f"{from_count}-{to_count - 1} views"
    )
