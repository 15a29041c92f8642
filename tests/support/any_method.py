"""Every method of every contract: served by stand-ins, and called, by its descriptor alone."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from siyu_kit.rpc import Servicer
from siyu_kit.rpc.service_config import services


class Answer(NamedTuple):
    """How a call ended, and what came."""

    code: grpc.StatusCode
    details: str
    messages: list[Any]


def methods() -> Iterator[MethodDescriptor]:
    """All of them."""
    for service in services():
        yield from service.methods


def path_of(method: MethodDescriptor) -> str:
    """``siyu.x.v1.XService/Method``."""
    return f"{method.containing_service.full_name}/{method.name}"


def stand_in(service: ServiceDescriptor) -> Servicer:
    """Answers every method of a service with an empty message."""

    def add(_: Any, server: Any) -> None:
        handlers = {method.name: _handler(method) for method in service.methods}
        server.add_registered_method_handlers(service.full_name, handlers)

    return Servicer(add, None)


def _handler(method: MethodDescriptor) -> Any:
    answer = GetMessageClass(method.output_type)
    shape = f"{_word(method.client_streaming)}_{_word(method.server_streaming)}"
    make: Callable[..., Any] = getattr(grpc, f"{shape}_rpc_method_handler")
    behaviours = {
        "unary_unary": _one,
        "unary_stream": _some,
        "stream_unary": _one_of_many,
        "stream_stream": _some_of_many,
    }
    return make(
        behaviours[shape](answer), GetMessageClass(method.input_type).FromString, _serialized
    )


def _one(answer: Any) -> Any:
    async def behave(request: Any, context: Any) -> Any:
        return answer()

    return behave


def _some(answer: Any) -> Any:
    async def behave(request: Any, context: Any) -> AsyncIterator[Any]:
        yield answer()

    return behave


def _one_of_many(answer: Any) -> Any:
    async def behave(requests: Any, context: Any) -> Any:
        async for _ in requests:
            pass
        return answer()

    return behave


def _some_of_many(answer: Any) -> Any:
    async def behave(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for _ in requests:
            yield answer()

    return behave


async def ask(
    channel: grpc.aio.Channel,
    method: MethodDescriptor,
    request: Any,
    *,
    most: int = 5,
    timeout_s: float = 10,
    token: str | None = None,
) -> Answer:
    """Call a method with one request; of a response stream at most so many messages are read."""
    shape = f"{_word(method.client_streaming)}_{_word(method.server_streaming)}"
    callable_ = getattr(channel, shape)(
        f"/{path_of(method)}", _serialized, GetMessageClass(method.output_type).FromString
    )
    given = iter([request]) if method.client_streaming else request
    metadata = None if token is None else (("authorization", f"Bearer {token}"),)
    call = callable_(given, timeout=timeout_s, metadata=metadata)
    found: list[Any] = []
    try:
        if not method.server_streaming:
            found.append(await call)
        else:
            async for message in call:
                found.append(message)
                if len(found) == most:
                    break
            call.cancel()
    except grpc.aio.AioRpcError as error:
        return Answer(error.code(), error.details() or "", found)
    return Answer(grpc.StatusCode.OK, "", found)


def _word(streaming: bool) -> str:
    return "stream" if streaming else "unary"


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())
