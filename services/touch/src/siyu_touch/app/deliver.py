"""Calls the push provider for attempts that are committed, and records what came of them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_kit.failpoints import failpoint
from siyu_touch.app.counting import count_sends
from siyu_touch.app.decide import told
from siyu_touch.app.ports import PushMessage, PushProvider
from siyu_touch.app.store import Attempt, Claim, TouchStore
from siyu_touch.domain.delivery import Answer, Delivery, settle
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import SendState

_SETTLE_ATTEMPTS = 8


class Calls:
    """Calls to the provider for sends of one project, at most ``most`` under way.

    A call counts until its answer is kept. Whoever begins no more sends than there is ``room`` for
    leaves at most ``most`` of them in doubt when the process dies. The end of the block waits for
    the answers and keeps them, after an error too; a cancellation breaks the calls off.
    """

    def __init__(
        self, store: TouchStore, provider: PushProvider, clock: Clock, claim: Claim, most: int
    ) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._claim = claim
        self._most = most
        self._under_way: dict[asyncio.Task[Delivery], Send] = {}
        self.turned_away = ""
        """Why the provider takes nothing at present; empty where it took or weighed a message."""

    @property
    def room(self) -> int:
        """How many sends may be begun now."""
        return self._most - len(self._under_way)

    def begin(self, messages: Sequence[tuple[Send, PushMessage]]) -> None:
        """Push each message once; its send is marked as begun already."""
        for send, message in messages:
            self._under_way[asyncio.create_task(self._push(message))] = send

    async def settle(self, *, until: str = asyncio.FIRST_COMPLETED) -> None:
        """Wait for the first answers, or for all, and settle their sends."""
        if not self._under_way:
            return
        done, _ = await asyncio.wait(self._under_way, return_when=until)
        ended = {task: self._under_way.pop(task) for task in done}
        errors = [error for task in done if (error := task.exception()) is not None]
        answers = {send: task.result() for task, send in ended.items() if task.exception() is None}
        if answers:
            self._note(answers.values())
            await self._keep(answers)
        if errors:
            raise errors[0]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None or isinstance(error, Exception):
                await self.settle(until=asyncio.ALL_COMPLETED)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _push(self, message: PushMessage) -> Delivery:
        answer = await self._provider.push(message)
        failpoint("touch.provider_answered")
        return answer

    def _note(self, answers: Collection[Delivery]) -> None:
        refused = [one.reason for one in answers if one.answer is Answer.TURNED_AWAY]
        others = any(one.answer in {Answer.ACCEPTED, Answer.REJECTED} for one in answers)
        if refused or others:
            self.turned_away = refused[0] if refused and not others else ""

    async def _keep(self, answers: Mapping[Send, Delivery]) -> None:
        """The answers are known here alone: a database that is away for a moment is waited for."""
        project_id = next(iter(answers)).project_id
        by_key = {send.send_key: answer for send, answer in answers.items()}
        backoff = Backoff(self._clock)
        for _ in range(_SETTLE_ATTEMPTS):
            try:
                return await _settle(
                    self._store, self._claim, project_id, by_key, self._clock.now_ms()
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
        failpoint("touch.settle_before_commit")
    failpoint("touch.settled")
    before = {send.send_key: send.state for send in held}
    count_sends(send for send in settled if send.state is not before[send.send_key])


def _after(send: Send, delivery: Delivery, now_ms: int) -> Send:
    provider_id = delivery.provider_message_id or send.provider_message_id
    send = replace(send, provider_message_id=provider_id, trace=delivery.trace or send.trace)
    if send.state is not SendState.ATTEMPTING:
        return send  # a receipt was faster
    settlement = settle(delivery, send.message_class, send.attempts, now_ms)
    due_ms = min(settlement.due_ms, send.expire_ms) if settlement.due_ms else send.due_ms
    return replace(
        send,
        state=settlement.state,
        reason=settlement.reason,
        due_ms=due_ms,
        update_time_ms=now_ms,
    )
