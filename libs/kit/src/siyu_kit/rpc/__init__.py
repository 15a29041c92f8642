"""gRPC as siyu uses it: one server, one client, one mapping of errors."""

from siyu_kit.rpc.client import call, connect, stream
from siyu_kit.rpc.paging import PageTokens, request_digest
from siyu_kit.rpc.server import RpcServer, ServerLimits, Servicer
from siyu_kit.rpc.status import from_rpc_error, from_status, item_status, to_status

__all__ = [
    "PageTokens",
    "RpcServer",
    "ServerLimits",
    "Servicer",
    "call",
    "connect",
    "from_rpc_error",
    "from_status",
    "item_status",
    "request_digest",
    "stream",
    "to_status",
]
