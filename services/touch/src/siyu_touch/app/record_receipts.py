"""Takes reports about messages: delivered, read, clicked, failed."""

from collections.abc import Sequence
from dataclasses import replace

from siyu_kit.clock import Clock
from siyu_kit.errors import DomainError, InvalidInput, NotFound
from siyu_kit.failpoints import failpoint
from siyu_kit.telemetry import link_current
from siyu_touch.app.counting import count_sends
from siyu_touch.app.decide import told
from siyu_touch.app.store import ReceiptRow, TouchStore
from siyu_touch.domain.send import REPORTABLE, Send, after_receipt
from siyu_touch.domain.touch_event import TouchEvent
from siyu_touch.domain.vocabulary import SendState

MOST = 1_000
_MAX_REASON = 200
# The door refuses events that are older than ten days: three are left for the way there. After a
# restore older ones are taken, lest a message goes out twice; analytics is not told of them.
_OLDEST_MS = 7 * 24 * 3_600_000


async def record_receipts(
    store: TouchStore, clock: Clock, project_id: str, receipts: Sequence[ReceiptRow]
) -> list[DomainError | None]:
    """Apply receipts in one transaction; gives what was wrong with each, None where nothing.

    A send never moves backwards, and a receipt that was seen before changes nothing.
    """
    if not 0 < len(receipts) <= MOST:
        raise InvalidInput("FIELD_INVALID", f"1 to {MOST} receipts", field="receipts")
    now_ms = clock.now_ms()
    errors: list[DomainError | None] = []
    good: list[ReceiptRow] = []
    changed: dict[str, Send] = {}
    async with store.transaction() as unit:
        restored = await unit.restore() is not None
        # No database keeps a key with a NUL, and PostgreSQL cannot even be asked for it.
        keys = sorted({receipt.send_key for receipt in receipts if "\0" not in receipt.send_key})
        sends = dict(await unit.sends.some(project_id, keys))
        link_current(send.trace for send in sends.values())
        for place, receipt in enumerate(receipts):
            try:
                send = _applied(sends, receipt, place, now_ms, restored=restored)
            except DomainError as error:
                errors.append(error)
                continue
            errors.append(None)
            good.append(replace(receipt, event_time_ms=min(receipt.event_time_ms, now_ms)))
            if send is not sends[receipt.send_key]:
                sends[receipt.send_key] = changed[receipt.send_key] = send
        new = await unit.sends.add_receipts(project_id, good, now_ms)
        failed = [send.send_key for send in changed.values() if send.state is SendState.FAILED]
        await unit.sends.settle_receipts(list(changed.values()))
        await unit.sends.free(project_id, failed)
        telling = [receipt for receipt in good if not _old(receipt, now_ms)]
        await unit.decisions.tell(project_id, _events(sends, telling, new))
        failpoint("touch.receipts_before_commit")
    failpoint("touch.receipts_committed")
    count_sends(changed.values())
    return errors


def _applied(
    sends: dict[str, Send], receipt: ReceiptRow, place: int, now_ms: int, *, restored: bool
) -> Send:
    if receipt.state not in REPORTABLE:
        raise InvalidInput(
            "FIELD_INVALID",
            "a receipt says DELIVERED, READ, CLICKED or FAILED",
            field=f"receipts[{place}].state",
        )
    if receipt.event_time_ms <= 0:
        raise InvalidInput(
            "FIELD_INVALID", "a receipt has a time", field=f"receipts[{place}].event_time_ms"
        )
    if _old(receipt, now_ms) and not restored:
        raise InvalidInput(
            "FIELD_INVALID",
            "a receipt is at most 7 days old",
            field=f"receipts[{place}].event_time_ms",
        )
    if len(receipt.reason.encode()) > _MAX_REASON or "\0" in receipt.reason:
        raise InvalidInput(
            "FIELD_INVALID",
            f"a reason has at most {_MAX_REASON} bytes, none of them zero",
            field=f"receipts[{place}].reason",
        )
    send = sends.get(receipt.send_key)
    if send is None:
        raise NotFound("SEND_NOT_FOUND", "there is no such send", send_key=receipt.send_key)
    state = after_receipt(send.state, send.attempts, receipt.state, restored=restored)
    if state is send.state:
        return send
    reason = receipt.reason if state is SendState.FAILED else ""
    return replace(send, state=state, gate="", reason=reason, update_time_ms=now_ms)


def _old(receipt: ReceiptRow, now_ms: int) -> bool:
    return now_ms - receipt.event_time_ms > _OLDEST_MS


def _events(
    sends: dict[str, Send], receipts: Sequence[ReceiptRow], new: set[tuple[str, SendState]]
) -> list[TouchEvent]:
    """One event for each report heard for the first time, but for failures that did not count."""
    events: list[TouchEvent] = []
    for receipt in receipts:
        heard = (receipt.send_key, receipt.state)
        send = sends[receipt.send_key]
        contradicted = receipt.state is SendState.FAILED and send.state is not SendState.FAILED
        if heard not in new or contradicted:
            continue
        new.discard(heard)
        reported = replace(send, state=receipt.state, reason=receipt.reason)
        events.append(told(reported, receipt.event_time_ms))
    return events
