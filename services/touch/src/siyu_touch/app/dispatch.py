"""The dispatcher: turns due sends into decisions, and decisions into messages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff, wait_for_event
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_kit.log import get_logger
from siyu_kit.workers import unit_of_work
from siyu_touch.app.decide import decide
from siyu_touch.app.deliver import deliver
from siyu_touch.app.launch_campaign import plan_chunk
from siyu_touch.app.ports import FactsQuestion, PushProvider, SendFactsSource
from siyu_touch.app.recover import recover
from siyu_touch.app.store import Claim, TouchStore
from siyu_touch.domain.campaign import Campaign, moved
from siyu_touch.domain.gates import Facts
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import CampaignState, Channel

_log = get_logger(__name__)

_LOOK_FOR_LOST_S = 2.0


@dataclass(frozen=True)
class Pace:
    """How much at once. A crash parks at most one push batch as UNKNOWN, hence its size."""

    batch: int = 1_000
    push_batch: int = 200
    push_concurrency: int = 32
    poll_s: float = 0.5


class Dispatcher:
    """Works on every running campaign; several processes may do so side by side."""

    def __init__(
        self,
        store: TouchStore,
        facts: SendFactsSource,
        provider: PushProvider | None,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._facts = facts
        self._provider = provider
        self._clock = clock
        self._pace = pace or Pace()
        self._looked_s: float | None = None
        # Our own claim, when a turn broke off: nothing of it is under way any more.
        self._left_behind: Claim | None = None
        self.wake = asyncio.Event()
        """Set it when there may be work: a launch, a resumption."""

    async def run(self, claim: Claim) -> None:
        """Work until cancelled; what peers and stores cannot do now is waited out."""
        backoff = Backoff(self._clock)
        while True:
            self.wake.clear()
            try:
                worked = await self.turn(claim)
                backoff.reset()
            except (DependencyDown, QuotaExceeded, Conflict) as error:
                _log.warning("dispatch_put_off", reason=error.reason)
                self._left_behind = claim
                await backoff.pause()
                continue
            if not worked:
                await wait_for_event(self.wake, self._pace.poll_s)

    async def turn(self, claim: Claim) -> bool:
        """One batch of every running campaign and channel; tells whether anything was done."""
        await self._look_for_lost()
        async with self._store.reading() as unit:
            campaigns = await unit.catalogue.running()
        worked = False
        for campaign in campaigns:
            worked |= await self._work_on(campaign, claim)
        return worked

    async def _look_for_lost(self) -> None:
        now_s = self._clock.monotonic()
        looked = self._looked_s is not None and now_s - self._looked_s < _LOOK_FOR_LOST_S
        if looked and self._left_behind is None:
            return
        self._looked_s = now_s
        while lost := await recover(self._store, self._clock.now_ms(), self._left_behind):
            _log.warning("sends_recovered", sends=lost)
        self._left_behind = None

    async def _work_on(self, campaign: Campaign, claim: Claim) -> bool:
        project_id, campaign_id = campaign.project_id, campaign.campaign_id
        if not campaign.planned:
            await plan_chunk(self._store, project_id, campaign_id)
            return True
        async with self._store.reading() as unit:
            templates = [
                await unit.catalogue.template(project_id, template_id)
                for template_id in campaign.template_ids
            ]
        worked = False
        for template in templates:
            worked |= await self._batch(campaign, template, claim)
        return worked or await self._complete(campaign)

    async def _batch(self, campaign: Campaign, template: Template, claim: Claim) -> bool:
        pushed = template.channel is Channel.PUSH
        if pushed and self._provider is None:
            return False
        limit = self._pace.push_batch if pushed else self._pace.batch
        async with self._store.transaction() as unit:
            sends = await unit.sends.claim(
                campaign, template.channel, claim, self._clock.now_ms(), limit
            )
        if not sends:
            return False
        facts = await self._ask(template, [send.person_no for send in sends])
        # What was begun is called and settled before a stop takes effect.
        async with unit_of_work():
            await self._carry_out(template, claim, sends, facts)
        return True

    async def _ask(self, template: Template, person_nos: list[int]) -> dict[int, Facts]:
        question = FactsQuestion(
            template.project_id,
            person_nos,
            template.channel,
            template.message_class,
            template.traits,
        )
        answers = await self._facts.facts(question)
        return dict(zip(person_nos, answers, strict=True))

    async def _carry_out(
        self, template: Template, claim: Claim, sends: Sequence[Send], facts: Mapping[int, Facts]
    ) -> None:
        now_ms = self._clock.now_ms()
        messages = await decide(self._store, claim, template, sends, facts, now_ms)
        if messages and self._provider is not None:
            concurrency = self._pace.push_concurrency
            await deliver(self._store, self._provider, self._clock, claim, messages, concurrency)

    async def _complete(self, campaign: Campaign) -> bool:
        project_id, campaign_id = campaign.project_id, campaign.campaign_id
        async with self._store.reading() as unit:
            if await unit.sends.open_sends(project_id, campaign_id):
                return False
        async with self._store.transaction() as unit:
            current = await unit.catalogue.campaign(project_id, campaign_id, lock=True)
            if current.state is CampaignState.RUNNING and current.planned:
                await unit.catalogue.save_campaign(moved(current, state=CampaignState.COMPLETED))
        return True
