"""After a restore nothing is sent until somebody says what went out meanwhile.

The restored database shows the moment of its backup. Messages that were dispatched after it look
as if they were still to be sent. Receipts settle those that a provider knows; what is left was not
sent, if the providers were asked for everything, and is parked as UNKNOWN if they were not.
"""

from dataclasses import replace
from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.sql.restores import Restore
from siyu_touch.app.counting import count_sends
from siyu_touch.app.store import TouchStore
from siyu_touch.domain.vocabulary import Channel, SendState

_AT_ONCE: Final = 2_000
_MAX_REASON: Final = 1_000
_OUTSIDE: Final = tuple(channel for channel in Channel if channel is not Channel.IN_APP)
"""Channels whose messages leave our own store; the inbox was put back with it."""


async def freeze(store: TouchStore) -> Restore | None:
    """The restore that dispatch stands still for."""
    async with store.reading() as unit:
        return await unit.restore()


async def lift_freeze(
    store: TouchStore, clock: Clock, *, by: str, reason: str, reconciled: bool
) -> int:
    """Let dispatch go on; how many messages were parked. Repeating it changes nothing.

    Raises InvalidInput without a reason. Messages are parked in several transactions; the last one
    lifts the freeze, so that nothing goes out before all of them are.
    """
    if not 0 < len(reason.encode()) <= _MAX_REASON:
        raise InvalidInput("FIELD_INVALID", f"1 to {_MAX_REASON} bytes", field="reason")
    parked = 0
    while True:
        async with store.transaction() as unit:
            found = await unit.restore()
            if found is None:
                return parked
            doubtful = (
                []
                if reconciled
                else await unit.sends.ambiguous(found.restored_ms, _OUTSIDE, _AT_ONCE)
            )
            now_ms = clock.now_ms()
            changed = [
                replace(
                    send, state=SendState.UNKNOWN, reason="RESTORED", gate="", update_time_ms=now_ms
                )
                for send in doubtful
            ]
            await unit.sends.save(changed)
            if not changed:
                await unit.lift(by, reason, now_ms)
        count_sends(changed)
        parked += len(changed)
        if not changed:
            return parked
