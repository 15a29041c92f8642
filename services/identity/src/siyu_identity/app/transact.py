"""Runs work on the graph again when a concurrent transaction won."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from siyu_identity.app.ports import Transactions
from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff
from siyu_kit.errors import Conflict
from siyu_kit.failpoints import failpoint

T = TypeVar("T")
Room = TypeVar("Room")

_ATTEMPTS: Final = 30


async def transact(
    rooms: Transactions[Room],
    clock: Clock,
    project_id: str,
    work: Callable[[Room], Awaitable[T]],
) -> T:
    """Do the work in one transaction; deadlocks and moved components are tried again.

    Raises Conflict (GRAPH_CONTENDED) after a few attempts.
    """
    backoff = Backoff(clock, first_s=0.005, max_s=0.2)
    for _ in range(_ATTEMPTS):
        try:
            async with rooms.transaction(project_id) as room:
                result = await work(room)
        except Conflict:
            await backoff.pause()
        else:
            failpoint("identity.after_commit")
            return result
    raise Conflict(
        "GRAPH_CONTENDED", "others keep changing the same persons; send it again",
        attempts=str(_ATTEMPTS),
    )  # fmt: skip
