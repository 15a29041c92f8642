"""Run something in one process at a time, under a lease."""

from collections.abc import Awaitable, Callable

from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff, run_together
from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.sql.election import Election
from siyu_kit.sql.lease import Lease, LeaseLost

_log = get_logger(__name__)


async def lead(
    leases: Election, name: str, work: Callable[[Lease], Awaitable[None]], clock: Clock
) -> None:
    """Wait for the lease, run ``work`` while it is held, start over when it is lost.

    ``work`` is cancelled on loss; whatever it commits must call ``fence`` with the lease it was
    given. Other errors of ``work`` are raised, its return ends the call; the lease is then
    released.
    """
    backoff = Backoff(clock, first_s=0.05, max_s=leases.ttl_s / 3)
    while True:
        try:
            held = await leases.acquire(name)
        except DependencyDown as error:
            _log.warning("lease_unreachable", lease=name, reason=error.reason)
            held = None
        if held is None:
            await backoff.pause()
            continue
        backoff.reset()
        try:
            await _work_and_renew(leases, held, work, clock)
        except LeaseLost:
            _log.warning("lease_lost", lease=name, epoch=held.epoch)
            continue
        return


class _Finished(Exception):
    """Ends the renewals when the work is done."""


async def _work_and_renew(
    leases: Election, held: Lease, work: Callable[[Lease], Awaitable[None]], clock: Clock
) -> None:
    async def until_done() -> None:
        await work(held)
        raise _Finished

    try:
        await run_together(until_done(), _renew_forever(leases, held, clock))
    except _Finished:
        await leases.release(held)
    except LeaseLost:
        raise
    except BaseException:
        await _release_quietly(leases, held)
        raise


async def _renew_forever(leases: Election, held: Lease, clock: Clock) -> None:
    renewed = clock.monotonic()
    while True:
        await clock.sleep(leases.ttl_s / 3)
        asked = clock.monotonic()
        try:
            await leases.renew(held)
            renewed = asked
        except DependencyDown:
            # By now another process may have it; the fence would say so, other effects would not.
            if clock.monotonic() - renewed > leases.ttl_s:
                raise LeaseLost(held.name) from None


async def _release_quietly(leases: Election, held: Lease) -> None:
    try:
        await leases.release(held)
    except DependencyDown:
        _log.warning("lease_not_released", lease=held.name)
