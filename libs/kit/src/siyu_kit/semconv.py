"""Names of OpenTelemetry's conventions for HTTP and messaging (RPC's are in ``rpc.semconv``)."""

from typing import Final

HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
OTHER_METHOD: Final = "_OTHER"
"""Stands for a method that nobody knows: it is a text of the caller."""

_SYSTEM: Final = "messaging.system"
_OPERATION: Final = "messaging.operation.type"
_DESTINATION: Final = "messaging.destination.name"
_PARTITION: Final = "messaging.destination.partition.id"
_GROUP: Final = "messaging.consumer.group.name"
_COUNT: Final = "messaging.batch.message_count"
_STREAMS: Final = "redis"


def publishing(topic: str, messages: int) -> dict[str, str | int]:
    """Attributes of a span that appends to a topic."""
    return {
        _SYSTEM: _STREAMS,
        _OPERATION: "send",
        _DESTINATION: topic,
        _COUNT: messages,
    }


def processing(topic: str, partition: int, reader: str, messages: int) -> dict[str, str | int]:
    """Attributes of a span around a batch that a reader processes."""
    return {
        _SYSTEM: _STREAMS,
        _OPERATION: "process",
        _DESTINATION: topic,
        _PARTITION: str(partition),
        _GROUP: reader,
        _COUNT: messages,
    }
