"""Writers that send evidence over the network, again and again until it is taken."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_kit.rpc import call
from support.identity_model import Statement


async def send_links(
    stub: pb_grpc.IdentityServiceStub,
    project: str,
    said: Sequence[Statement],
    seed: int,
    *,
    at_once: int = 20,
    taken: Callable[[], None] = lambda: None,
) -> int:
    """Links in an order of its own, a fifth of them twice; how often a call had to be repeated.

    ``taken`` is called after each batch of ``at_once``.
    """
    rng = random.Random(seed)
    share = [*said, *rng.sample(list(said), len(said) // 5)]
    rng.shuffle(share)
    again = 0
    for start in range(0, len(share), at_once):
        request = pb.LinkBatchRequest(
            project_id=project,
            evidences=[_evidence(item) for item in share[start : start + at_once]],
        )
        again += await until_taken(stub.LinkBatch, request)
        taken()
    return again


async def until_taken(method: Any, request: Any) -> int:
    """Call until it is answered; how many times it was not."""
    again = 0
    while True:
        try:
            await call(method, request, timeout_s=5)
        except (DependencyDown, Conflict, QuotaExceeded):
            again += 1
            await asyncio.sleep(0.1)
        else:
            return again


def _evidence(statement: Statement) -> pb.Evidence:
    left, right, edge = statement
    return pb.Evidence(
        evidence_id=f"{left.value}.{right.value}.{edge.first_ms}.{edge.strength}",
        ids=[IdentifierMessage(type=item.type, value=item.value) for item in (left, right)],
        evidence_class=edge.strength,  # type: ignore[arg-type]
        event_time_ms=edge.first_ms,
        source="test",
    )
