"""QueryRealtime."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import realtime_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.realtime import Realtime, RealtimeCell
from siyu_analytics.rpc.conditions import events_from
from siyu_analytics.rpc.mapping import scope_from
from siyu_analytics.rpc.models.model import Mint, ModelRpc, cell


def _question(message: pb.QueryRealtimeRequest) -> Realtime:
    return Realtime(
        scope_from(message.scope, "scope"),
        events_from(message.events, "events"),
        message.minutes,
        message.rows,
    )


def _fill(echo: pb.QueryRealtimeRequest, asked: Realtime) -> None:
    echo.minutes, echo.rows = asked.minutes, asked.rows


def _respond(answer: ModelAnswer[Realtime], mint: Mint) -> pb.QueryRealtimeResponse:
    response = pb.QueryRealtimeResponse()
    for row in answer.rows:
        if row["kind"] == "event":
            response.events.add(
                event_name=row["event_name"],
                message_id=row["message_id"],
                person_no=row["person"],
                event_time_ms=row["ms"],
                received_time_ms=row["received"],
            )
        else:
            persons = cell(row["persons"], mint(RealtimeCell(row["ms"])))
            response.minutes.add(time_ms=row["ms"], events=row["events"], persons=persons)
    return response


def _cell(values: Sequence[Any]) -> RealtimeCell:
    return RealtimeCell(*values)


RPC: Final = ModelRpc("n", pb.QueryRealtimeRequest, _question, _fill, _respond, _cell)
