"""Calls the push provider for attempts that are committed, and records what came of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_kit.workers import unit_of_work
from siyu_touch.app.decide import told
from siyu_touch.app.ports import PushMessage, PushProvider
from siyu_touch.app.store import Attempt, Claim, TouchStore
from siyu_touch.domain.delivery import Delivery, settle
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import SendState

_SETTLE_ATTEMPTS = 8


async def deliver(
    store: TouchStore,
    provider: PushProvider,
    clock: Clock,
    claim: Claim,
    messages: Sequence[tuple[Send, PushMessage]],
    concurrency: int,
) -> None:
    """Push every message once and settle its send; a stop waits for both."""
    async with unit_of_work():
        slots = asyncio.Semaphore(concurrency)

        async def push(message: PushMessage) -> Delivery:
            async with slots:
                return await provider.push(message)

        answers = await asyncio.gather(*(push(message) for _, message in messages))
        by_key = {
            send.send_key: answer for (send, _), answer in zip(messages, answers, strict=True)
        }
        # The answers are known here alone: a database that is away for a moment is waited for.
        backoff = Backoff(clock)
        for _ in range(_SETTLE_ATTEMPTS):
            try:
                return await _settle(
                    store, claim, messages[0][0].project_id, by_key, clock.now_ms()
                )
            except (DependencyDown, Conflict, QuotaExceeded):
                await backoff.pause()
        raise DependencyDown("DEPENDENCY_DOWN", "the answers of a provider could not be kept")


async def _settle(
    store: TouchStore, claim: Claim, project_id: str, answers: dict[str, Delivery], now_ms: int
) -> None:
    async with store.transaction() as unit:
        # Sends that are ours no more were parked by whoever found this dispatcher gone.
        held = await unit.sends.hold(project_id, sorted(answers), claim)
        settled = [_after(send, answers[send.send_key], now_ms) for send in held]
        await unit.sends.save(settled)
        await unit.sends.save_attempts(
            project_id,
            [
                Attempt(send.send_key, send.attempts, now_ms, answers[send.send_key])
                for send in settled
            ],
        )
        failed = [send.send_key for send in settled if send.state is SendState.FAILED]
        await unit.sends.free(project_id, failed)
        ended = {SendState.ACCEPTED, SendState.FAILED}
        await unit.decisions.tell(
            project_id, [told(send, now_ms) for send in settled if send.state in ended]
        )


def _after(send: Send, delivery: Delivery, now_ms: int) -> Send:
    provider_id = delivery.provider_message_id or send.provider_message_id
    if send.state is not SendState.ATTEMPTING:
        return replace(send, provider_message_id=provider_id)  # a receipt was faster
    settlement = settle(delivery, send.message_class, send.attempts, now_ms)
    due_ms = min(settlement.due_ms, send.expire_ms) if settlement.due_ms else send.due_ms
    return replace(
        send,
        state=settlement.state,
        reason=settlement.reason,
        due_ms=due_ms,
        provider_message_id=provider_id,
        update_time_ms=now_ms,
    )
