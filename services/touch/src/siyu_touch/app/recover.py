"""Takes up what a dispatcher that is no more left behind."""

from dataclasses import replace

from siyu_kit.failpoints import failpoint
from siyu_touch.app.counting import count_sends
from siyu_touch.app.store import Claim, TouchStore
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import MessageClass, SendState

_AT_ONCE = 2_000


async def recover(store: TouchStore, now_ms: int, own: Claim | None = None) -> int:
    """Free sends of lost dispatchers, and those of an ``own`` broken turn; gives how many.

    An attempt that was committed may have reached the provider: a marketing message is parked as
    UNKNOWN for good, another one is tried again with the same key.
    """
    async with store.transaction() as unit:
        left = await unit.sends.orphans(_AT_ONCE, own)
        freed = [_freed(send, now_ms) for send in left]
        await unit.sends.save(freed)
        if left:
            failpoint("touch.recover_before_commit")
    count_sends(after for before, after in zip(left, freed, strict=True) if after is not before)
    return len(left)


def _freed(send: Send, now_ms: int) -> Send:
    if send.state is not SendState.ATTEMPTING:
        return send
    marketing = send.message_class is MessageClass.MARKETING
    return replace(
        send,
        state=SendState.UNKNOWN if marketing else SendState.DEFERRED,
        reason="DISPATCHER_LOST",
        due_ms=send.due_ms if marketing else now_ms,
        update_time_ms=now_ms,
    )
