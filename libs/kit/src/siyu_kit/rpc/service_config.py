"""The gRPC service config of a channel: balancing, health and retries, from the contracts."""

import importlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor

import siyu
from siyu_kit.auth.policy import access_of

_RETRY: Final = {
    # 0, 0.05, 0.2 and 0.65 s on: longer than a server that closes its connections is not wanted
    # (RpcServer.drain), so that a service of one replica is restarted between two attempts.
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 3,
    # Of the last two a server tells when to come again, or that it is of no use (rpc.retries).
    # ABORTED: another transaction won, as when a migration and a call wait for each other.
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"],
}
# The budget: each failure costs a token, each success gives a tenth back, and under half of them
# nothing is repeated. A peer that fails for everybody is not asked three times as often.
_THROTTLING: Final = {"maxTokens": 100, "tokenRatio": 0.1}


@cache
def services() -> tuple[ServiceDescriptor, ...]:
    """Every service of the contracts (``siyu/<name>/v1/<name>_service.proto``)."""
    return tuple(_services())


def _services() -> Iterator[ServiceDescriptor]:
    # A namespace package lists no children, so its folders are asked.
    for root in map(Path, siyu.__path__):
        for path in sorted(root.glob("*/*/*_service_pb2.py")):
            name = ".".join(("siyu", *path.relative_to(root).with_suffix("").parts))
            yield from importlib.import_module(name).DESCRIPTOR.services_by_name.values()


@cache
def retriable_methods() -> tuple[str, ...]:
    """Methods whose contract says that a repeat has the effect of one call."""
    names = (f"{service.full_name}/{m.name}" for service in services() for m in service.methods)
    return tuple(name for name in names if access_of(name).retriable)


@cache
def service_config(*, balanced: bool) -> str:
    """The config as JSON; ``balanced`` spreads calls over all addresses that are ready."""
    names = [
        {"service": service, "method": method}
        for service, _, method in (name.partition("/") for name in retriable_methods())
    ]
    config: dict[str, Any] = {
        "methodConfig": [{"name": names, "retryPolicy": _RETRY}],
        "retryThrottling": _THROTTLING,
    }
    if balanced:
        config["loadBalancingConfig"] = [{"round_robin": {}}]
        # Not "readiness", which a server that drains has lost (RpcServer.drain).
        config["healthCheckConfig"] = {"serviceName": ""}
    return json.dumps(config)
