"""Sends that wait for a decision: which are still ours to decide, and those put off without one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from siyu_touch.app.counting import count_sends
from siyu_touch.app.store import Claim, TouchStore, TouchUnit
from siyu_touch.domain.send import DUE, Send
from siyu_touch.domain.vocabulary import SendState

_PUT_OFF_MS: Final = 300_000


async def still_due(
    unit: TouchUnit, project_id: str, keys: Sequence[str], claim: Claim
) -> list[Send]:
    """Those that are ours and wait for a decision, locked, lowest person first.

    While facts were asked for, a receipt of an earlier attempt may have come in: what it says
    stands, and the message does not go out again.
    """
    held = await unit.sends.hold(project_id, keys, claim)
    told_of = [send.send_key for send in held if send.state not in DUE]
    await unit.sends.release(project_id, told_of, claim)
    due = (send for send in held if send.state in DUE)
    return sorted(due, key=lambda send: send.person_no)


async def put_off(store: TouchStore, claim: Claim, send: Send, now_ms: int) -> None:
    """Leave a send, about whose person nothing can be learnt, for some minutes later."""
    async with store.transaction() as unit:
        later = [
            replace(
                due,
                state=SendState.DEFERRED,
                gate="",
                reason="FACTS_UNAVAILABLE",
                due_ms=min(now_ms + _PUT_OFF_MS, due.expire_ms),
                update_time_ms=now_ms,
            )
            for due in await still_due(unit, send.project_id, [send.send_key], claim)
        ]
        await unit.sends.save(later)
    count_sends(later)
