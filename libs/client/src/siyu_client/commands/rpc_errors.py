"""How a refusal is shown."""

import sys
from typing import cast

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

#: Details are printed by their type, which importing its module makes known.
_DETAILS = error_details_pb2.DESCRIPTOR.pool


def print_error(error: grpc.RpcError) -> None:
    """Print status, message and details."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    print(f"{error.code().name}: {error.details()}", file=sys.stderr)
    for detail in status.details if status else ():
        print(
            json_format.MessageToJson(detail, indent=None, descriptor_pool=_DETAILS),
            file=sys.stderr,
        )
