"""The RPCs of the models: each is its ``ModelRpc`` and nothing else."""

from typing import Any, Final

from siyu.analytics.v1 import analytics_service_pb2_grpc as pb_grpc
from siyu_analytics.app.ask_model import AskModel, ModelAnswer
from siyu_analytics.rpc import answers
from siyu_analytics.rpc.calls import call_of
from siyu_analytics.rpc.mapping import fill_scope, restore_call
from siyu_analytics.rpc.models import (
    attribute,
    attribution,
    channel,
    distribution,
    heatmap,
    interval,
    ltv,
    path,
    realtime,
    retention,
    session,
)
from siyu_analytics.rpc.models.model import ModelRpc
from siyu_analytics.rpc.tokens import CellTokens

MODELS: Final[dict[str, ModelRpc[Any]]] = {
    model.kind: model
    for model in (
        retention.RPC,
        interval.RPC,
        distribution.RPC,
        session.RPC,
        path.RPC,
        attribution.RPC,
        attribute.RPC,
        ltv.RPC,
        channel.RPC,
        heatmap.RPC,
        realtime.RPC,
    )
}
"""By the kind of their tokens."""


class ModelServicer(pb_grpc.AnalyticsServiceServicer):
    """Maps messages, asks, seals answers."""

    def __init__(self, model: AskModel, cells: CellTokens) -> None:
        self._model = model
        self._cells = cells

    async def QueryRetention(self, request: Any, context: Any) -> Any:
        return await self._ask(retention.RPC, request)

    async def QueryInterval(self, request: Any, context: Any) -> Any:
        return await self._ask(interval.RPC, request)

    async def QueryDistribution(self, request: Any, context: Any) -> Any:
        return await self._ask(distribution.RPC, request)

    async def QuerySessions(self, request: Any, context: Any) -> Any:
        return await self._ask(session.RPC, request)

    async def QueryPaths(self, request: Any, context: Any) -> Any:
        return await self._ask(path.RPC, request)

    async def QueryAttribution(self, request: Any, context: Any) -> Any:
        return await self._ask(attribution.RPC, request)

    async def QueryAttributes(self, request: Any, context: Any) -> Any:
        return await self._ask(attribute.RPC, request)

    async def QueryLtv(self, request: Any, context: Any) -> Any:
        return await self._ask(ltv.RPC, request)

    async def QueryChannels(self, request: Any, context: Any) -> Any:
        return await self._ask(channel.RPC, request)

    async def QueryHeatmap(self, request: Any, context: Any) -> Any:
        return await self._ask(heatmap.RPC, request)

    async def QueryRealtime(self, request: Any, context: Any) -> Any:
        return await self._ask(realtime.RPC, request)

    async def _ask(self, rpc: ModelRpc[Any], request: Any) -> Any:
        question = rpc.question_from(request)
        call = call_of(request, request.scope)
        answer: ModelAnswer[Any] = await self._model(call, question)
        echo = type(request)()
        echo.CopyFrom(request)
        fill_scope(echo.scope, answer.question.scope)
        rpc.fill(echo, answer.question)
        numbers = answers.bytes_of(rpc.respond(answer, lambda _: ""))
        mint = self._cells.of(rpc.kind, echo, answer.snapshot)
        response = rpc.respond(answer, mint.mint)
        answers.seal(response, answer.snapshot, echo.scope.as_of_time_ms, echo, numbers)
        response.effective.CopyFrom(echo)
        restore_call(response.effective.scope, request.scope)
        return response
