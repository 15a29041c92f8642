"""QueryChannels."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import channel_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.channel import (
    FIELDS,
    PARTS,
    ChannelCell,
    Channels,
    Milestones,
)
from siyu_analytics.domain.measures import decimal_text
from siyu_analytics.rpc.conditions import event_from, events_from
from siyu_analytics.rpc.mapping import breakdown_from, scope_from
from siyu_analytics.rpc.models.model import Mint, ModelRpc, cell, group_from, group_or_none
from siyu_analytics.rpc.models.session import rule_from


def _question(message: pb.QueryChannelsRequest) -> Channels:
    events = [
        event_from(getattr(message, field), field) if message.HasField(field) else None
        for field in FIELDS
    ]
    return Channels(
        scope_from(message.scope, "scope"),
        rule_from(message.rule, "rule"),
        breakdown_from(message.channel),
        events_from(message.pages, "pages"),
        Milestones(*events),
        message.amount_property,
    )


def _fill(echo: pb.QueryChannelsRequest, asked: Channels) -> None:
    echo.rule.timeout_ms = asked.rule.timeout_ms
    echo.channel.limit = asked.limit


def _respond(answer: ModelAnswer[Channels], mint: Mint) -> pb.QueryChannelsResponse:
    response = pb.QueryChannelsResponse()
    for row in answer.rows:
        if row["everything"]:
            response.total.CopyFrom(_row(row, None, mint))
        else:
            response.rows.append(_row(row, place_of(row["place"]), mint))
    return response


def _row(row: dict[str, Any], group: GroupKey | None, mint: Mint) -> pb.ChannelRow:
    visits, persons = row["all_visits"], row["persons"]
    counted = {part: cell(row[f"{part}_persons"], mint(ChannelCell(group, part))) for part in PARTS}
    return pb.ChannelRow(
        channel=group_or_none(group),
        visits=visits,
        persons=cell(persons, mint(ChannelCell(group))),
        fresh=counted["fresh"],
        registered=counted["registered"],
        bounce_rate=_ratio(row["all_bounces"], visits),
        views_per_person=_ratio(row["all_views"], persons),
        dwell_per_person_ms=_ratio(row["all_looked"], persons),
        retained=counted["retained"],
        retention_rate=_ratio(row["retained_persons"], persons),
        opened=counted["opened"],
        deposited=counted["deposited"],
        amount=decimal_text(row["all_amount"]),
        page_views=row["all_views"],
        bounces=row["all_bounces"],
        dwell_ms=row["all_looked"],
    )


def _ratio(amount: int, number: int) -> float:
    return amount / number if number else 0.0


def _cell(values: Sequence[Any]) -> ChannelCell:
    group, part = values
    return ChannelCell(group_from(group), part)


RPC: Final = ModelRpc("b", pb.QueryChannelsRequest, _question, _fill, _respond, _cell)
