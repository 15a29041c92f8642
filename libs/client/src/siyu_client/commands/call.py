"""`siyu call`: reaches any RPC of the running platform, JSON in and JSON out."""

import argparse
import importlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from siyu_client.commands import running
from siyu_client.commands.rpc_errors import print_error
from siyu_client.platform import PlatformError
from siyu_client.platform.services import SERVICES
from siyu_kit.scope import REQUEST_ID_KEY

Metadata = tuple[tuple[str, str | bytes], ...]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("call", help="call an RPC of the running platform")
    parser.add_argument("service", choices=[spec.name for spec in SERVICES])
    parser.add_argument("method", help="such as GetWatermark")
    parser.add_argument(
        "request", nargs="?", default="{}", help="request as JSON, - for standard input"
    )
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument(
        "--role", action="append", help="role of the caller (repeatable; default admin)"
    )
    parser.add_argument("--subject", default="local", help="who the caller is")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds")
    parser.add_argument(
        "--request-id",
        default="",
        help="names the call, for `WatchQuery`",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send the request and print every response; an error prints its status and fails."""
    platform = running.find(options.dir)
    method = find_method(options.service, options.method)
    if method.client_streaming:
        raise PlatformError(f"{method.name} takes a stream; use the Python client")
    text = sys.stdin.read() if options.request == "-" else options.request
    try:
        request = json_format.Parse(text, GetMessageClass(method.input_type)())
    except json_format.ParseError as error:
        raise PlatformError(f"the request is not a {method.input_type.name}: {error}") from None
    token = platform.credentials.tokens(options.subject, options.role or ["admin"]).token()
    with running.channel(platform.targets[options.service]) as channel:
        try:
            metadata: Metadata = (("authorization", f"Bearer {token}"),)
            if options.request_id:
                metadata += ((REQUEST_ID_KEY, options.request_id),)
            _print_responses(channel, method, request, metadata, options.timeout)
        except grpc.RpcError as error:
            print_error(error)
            return 1
    return 0


def find_method(service: str, name: str) -> MethodDescriptor:
    """Find an RPC by the short names of its service and method; those of OpsService are in all."""
    methods = {**_methods("ops"), **_methods(service)}
    if name not in methods:
        raise PlatformError(f"{service} has no {name}; it has {', '.join(sorted(methods))}")
    method: MethodDescriptor = methods[name]
    return method


def _methods(service: str) -> dict[str, MethodDescriptor]:
    module = importlib.import_module(f"siyu.{service}.v1.{service}_service_pb2")
    return dict(
        module.DESCRIPTOR.services_by_name[f"{service.capitalize()}Service"].methods_by_name
    )


def _print_responses(
    channel: grpc.Channel,
    method: MethodDescriptor,
    request: Any,
    metadata: Metadata,
    timeout_s: float,
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    codecs = {
        "request_serializer": type(request).SerializeToString,
        "response_deserializer": GetMessageClass(method.output_type).FromString,
    }
    responses: Iterable[Any]
    if method.server_streaming:
        responses = channel.unary_stream(path, **codecs)(
            request, timeout=timeout_s, metadata=metadata
        )
    else:
        responses = [
            channel.unary_unary(path, **codecs)(request, timeout=timeout_s, metadata=metadata)
        ]
    for response in responses:
        fields = json_format.MessageToDict(response, preserving_proto_field_name=True)
        print(json.dumps(fields, ensure_ascii=False, indent=2), flush=method.server_streaming)
