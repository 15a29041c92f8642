"""The dispatcher: turns due sends into decisions, and decisions into messages."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from siyu_kit.clock import Clock
from siyu_kit.concurrency import Backoff, wait_for_event
from siyu_kit.errors import Conflict, DependencyDown, DomainError, PreconditionFailed, QuotaExceeded
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.telemetry import span_from
from siyu_kit.workers import stopping, unit_of_work
from siyu_touch.app.ask_facts import Answered, FactsAsker
from siyu_touch.app.counting import count_put_off
from siyu_touch.app.decide import decide
from siyu_touch.app.deliver import Calls
from siyu_touch.app.launch_campaign import plan_chunk
from siyu_touch.app.ports import PushProvider, SendFactsSource
from siyu_touch.app.recover import recover
from siyu_touch.app.rests import Rests
from siyu_touch.app.store import Claim, TouchStore
from siyu_touch.app.waiting import put_off
from siyu_touch.domain.campaign import Campaign, moved
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import CampaignState, Channel

_log = get_logger(__name__)

_LOOK_FOR_LOST_S = 2.0


@dataclass(frozen=True)
class Pace:
    """How much at once. A crash parks at most ``push_concurrency`` sends as UNKNOWN."""

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
        self._asker = FactsAsker(facts)
        self._provider = provider
        self._clock = clock
        self._pace = pace or Pace()
        self._rests = Rests(clock)
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
        """One batch of every running campaign and channel; tells whether anything was done.

        A campaign that fails rests, and the others have their turn; what no peer or store may do
        is raised when they had it. After a restore sends are planned, so that receipts find them,
        and nothing goes out until the freeze is lifted.
        """
        await self._look_for_lost()
        async with self._store.reading() as unit:
            campaigns = await unit.catalogue.running()
            frozen = await unit.restore() is not None
        may_go_on = [each for each in campaigns if not (frozen and each.planned)]
        worked, unexpected = False, list[Exception]()
        for campaign in self._rests.awake(may_go_on):
            try:
                worked |= await self._work_on(campaign, claim)
                self._rests.end(campaign)
            except DomainError as error:
                self._put_off(campaign, claim, error, error.reason)
            except Exception as error:  # noqa: BLE001 - raised below
                _log.exception("campaign_failed", campaign_id=campaign.campaign_id)
                self._put_off(campaign, claim, error, type(error).__name__)
                unexpected.append(error)
        if unexpected:
            raise unexpected[0]
        return worked

    def _put_off(self, campaign: Campaign, claim: Claim, error: Exception, reason: str) -> None:
        _log.warning("campaign_put_off", campaign_id=campaign.campaign_id, reason=reason)
        count_put_off(campaign.project_id, reason)
        self._left_behind = claim
        self._rests.begin(campaign, error)

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
            with span_from("plan sends", links=[campaign.trace]):
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
        pushed, provider = template.channel is Channel.PUSH, self._provider
        limit, now_ms = self._pace.push_batch if pushed else self._pace.batch, self._clock.now_ms()
        async with self._store.transaction() as unit:
            sends = await unit.sends.claim(
                campaign,
                template.channel,
                claim,
                now_ms,
                limit,
                # Without its provider a message waits, but no longer than any other.
                only_expired=pushed and provider is None,
            )
        if not sends:
            return False
        failpoint("touch.claimed")
        if not pushed:
            await self._decide(template, claim, sends)
        elif provider is None:
            await decide(self._store, claim, template, sends, {}, now_ms)
        else:
            # What was begun is called and settled before a stop takes effect.
            async with unit_of_work():
                await self._push(provider, template, claim, sends)
        return True

    async def _push(
        self, provider: PushProvider, template: Template, claim: Claim, sends: Sequence[Send]
    ) -> None:
        """Begin sends no faster than calls end; each is decided on what is known just then.

        What a stop leaves undecided is free again when this dispatcher's lease ends. While the
        provider turns everything away nothing more is begun, and the campaign rests.
        """
        most = self._pace.push_concurrency
        async with Calls(self._store, provider, self._clock, claim, most) as calls:
            while sends and not stopping() and not calls.turned_away:
                some, sends = sends[: calls.room], sends[calls.room :]
                await self._decide(template, claim, some, calls)
                if not calls.room:
                    await calls.settle()
        if calls.turned_away:
            raise PreconditionFailed(calls.turned_away, "the push provider turns messages away")

    async def _decide(
        self, template: Template, claim: Claim, sends: Sequence[Send], calls: Calls | None = None
    ) -> None:
        now_ms = self._clock.now_ms()
        expired = [send for send in sends if now_ms >= send.expire_ms]
        waiting = [send for send in sends if now_ms < send.expire_ms]
        with span_from(f"dispatch {template.channel.label}", links=(send.trace for send in sends)):
            if expired:
                # Nobody is asked about them: a campaign whose facts are not had ends all the same.
                await decide(self._store, claim, template, expired, {}, now_ms)
            async for part in self._asker.ask(template, waiting):
                await self._decide_part(template, claim, part, calls)

    async def _decide_part(
        self, template: Template, claim: Claim, part: Answered, calls: Calls | None
    ) -> None:
        now_ms = self._clock.now_ms()
        if part.facts is None:
            (send,) = part.sends
            _log.error("send_put_off", send_key=send.send_key, reason=part.refused)
            count_put_off(template.project_id, part.refused)
            await put_off(self._store, claim, send, now_ms)
            return
        messages = await decide(self._store, claim, template, part.sends, part.facts, now_ms)
        if messages and calls is not None:
            failpoint("touch.attempt_committed")
            calls.begin(messages)

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
