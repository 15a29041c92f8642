"""QuerySessions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from siyu.analytics.v1 import session_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.domain.session import DEPTHS, LENGTHS_MS, SessionCell, Sessions
from siyu_analytics.domain.session_rule import SessionRule
from siyu_analytics.rpc.answers import group_message
from siyu_analytics.rpc.conditions import events_from
from siyu_analytics.rpc.mapping import breakdown_from, fill_breakdown, granularity_from, scope_from
from siyu_analytics.rpc.models.model import (
    Mint,
    ModelRpc,
    cell,
    group_from,
    group_or_none,
    row_group,
)


def rule_from(message: pb.SessionRule, field: str) -> SessionRule:
    """Where sessions end."""
    return SessionRule(
        events_from(message.events, f"{field}.events"),
        tuple(message.excluded_names),
        message.timeout_ms,
        message.over_midnight,
        events_from(message.starting, f"{field}.starting"),
        message.change_property,
    )


def _question(message: pb.QuerySessionsRequest) -> Sessions:
    return Sessions(
        scope_from(message.scope, "scope"),
        rule_from(message.rule, "rule"),
        events_from(message.pages, "pages"),
        granularity_from(message.granularity, "granularity"),
        breakdown_from(message.breakdown),
        message.page_property,
    )


def _fill(echo: pb.QuerySessionsRequest, asked: Sessions) -> None:
    echo.rule.timeout_ms = asked.rule.timeout_ms
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Sessions], mint: Mint) -> pb.QuerySessionsResponse:
    asked = answer.question
    timed = asked.granularity is not Granularity.WHOLE
    response = pb.QuerySessionsResponse()
    for row in answer.rows:
        if row["kind"] == "page":
            response.pages.append(_page(row, mint))
            continue
        inside = row["kind"] == "row"
        group = row_group(row, split=inside and asked.breakdown is not None)
        time_ms = row["bucket"] if inside and timed else None
        message = _row(row, time_ms, group, mint)
        if inside:
            response.rows.append(message)
        else:
            response.total.CopyFrom(message)
    return response


def _row(
    row: dict[str, Any], time_ms: int | None, group: GroupKey | None, mint: Mint
) -> pb.SessionRow:
    sessions, people, views = row["sessions"], row["persons"], row["all_views"]
    message = pb.SessionRow(
        time_ms=time_ms or 0,
        group=group_or_none(group),
        sessions=sessions,
        persons=cell(people, mint(SessionCell(time_ms, group))),
        sessions_per_person=_ratio(sessions, people),
        events=row["events"],
        page_views=views,
        depth=_ratio(views, sessions),
        duration_ms=row["duration"],
        duration_per_session_ms=_ratio(row["duration"], sessions),
        duration_per_person_ms=_ratio(row["duration"], people),
        bounces=row["bounces"],
        bounce_rate=_ratio(row["bounces"], sessions),
        bounced=cell(row["bounced"], mint(SessionCell(time_ms, group, "bounced"))),
        dwell_ms=row["dwell"],
        dwell_per_view_ms=_ratio(row["dwell"], views),
    )
    for target, part, bounds, counts, persons in (
        (message.lengths, "took", LENGTHS_MS, row["lengths"], row["in_lengths"]),
        (message.depths, "views", DEPTHS, row["depths"], row["in_depths"]),
    ):
        for place, (low, high) in enumerate(pairwise(bounds)):
            token = mint(SessionCell(time_ms, group, part, low, high))
            inside = cell(persons[place], token)
            target.add(low=low, high=high, sessions=counts[place], persons=inside)
    return message


def _page(row: dict[str, Any], mint: Mint) -> pb.SessionPage:
    group = place_of(row["place"])
    return pb.SessionPage(
        page=group_message(group),
        views=row["all_views"],
        exits=row["bounces"],
        exit_rate=_ratio(row["bounces"], row["all_views"]),
        dwell_ms=row["dwell"],
        persons=cell(row["persons"], mint(SessionCell(None, group, "page"))),
    )


def _ratio(amount: int, number: int) -> float:
    return amount / number if number else 0.0


def _cell(values: Sequence[Any]) -> SessionCell:
    time_ms, group, part, low, high = values
    return SessionCell(time_ms, group_from(group), part, low, high)


RPC: Final = ModelRpc("s", pb.QuerySessionsRequest, _question, _fill, _respond, _cell)
