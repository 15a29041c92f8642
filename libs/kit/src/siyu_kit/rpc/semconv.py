"""Names and rules of OpenTelemetry's RPC conventions (still in development), in this file alone."""

from typing import Final

import grpc

SYSTEM: Final = "rpc.system.name"
METHOD: Final = "rpc.method"
STATUS_CODE: Final = "rpc.response.status_code"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
GRPC: Final = "grpc"

SERVER_ERRORS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that mark a server span as failed; the others are the caller's doing."""
