"""kill -9 of each service in turn while the day is live, and again while messages go out.

After each restart everything goes on. At the end the numbers equal the ground truth, the receiver
saw at most one message per send key, and what was sent, unknown and refused adds up to the
audience.
"""

import asyncio
import io
from collections import Counter
from datetime import datetime, timedelta

import pytest
from rich.console import Console

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient, call
from siyu_client.platform import Platform
from siyu_client.platform.services import SERVICES
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.simulator.settings import SHANGHAI
from siyu_demo.story import campaigning, listing, outcomes
from siyu_demo.story.arrival.events import ingest
from siyu_demo.story.chapters import (
    arriving,
    audiences,
    opening_funnel,
    persons,
    sending,
    turning_point,
)
from siyu_demo.story.checks import Comparison
from siyu_demo.story.push_receiver import TAKEN, PushReceiver
from siyu_demo.story.stage import PROJECT, Mode, Stage
from siyu_kit.errors import DomainError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
CUSTOMERS = 500
BATCH = 20


@pytest.fixture
def receiver(tmp_path):
    running = PushReceiver(tmp_path / "receiver")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def platform(tmp_path, receiver):
    extra = {"touch": {"SIYU_TOUCH_PUSH_URL": receiver.url}}
    running = Platform(tmp_path / "platform", projects=(PROJECT,), extra=extra)
    running.start()
    yield running
    running.stop()


async def kill_and_restart(platform, name):
    """End a service as a crash would, and start it again."""
    platform.processes[name].kill()
    await asyncio.sleep(0.2)
    await asyncio.to_thread(platform.restart, name)


async def insist(ask):
    """Repeat until it is answered: what a sender does whose call was cut."""
    while True:
        try:
            return await ask()
        except DomainError:
            await asyncio.sleep(0.1)


async def live_day_under_fire(stage, _progress):
    """The live day by gRPC, each batch until it is taken, while each service dies once."""
    records = list(stage.ledger.through(stage.quarter.live()))
    parts = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    over = asyncio.Event()

    async def send():
        pause_s = 0.0
        for number, part in enumerate(parts):
            accepted, refused = await insist(lambda part=part: ingest(stage.client, part))
            assert (accepted, refused) == (len(part), 0)
            if number % 7 == 0:  # a sender that did not hear the answer sends again
                await insist(lambda part=part: ingest(stage.client, part))
            pause_s = 0.0 if over.is_set() else 0.05
            await asyncio.sleep(pause_s)

    async def kill():
        for spec in SERVICES:
            await kill_and_restart(stage.platform, spec.name)
        over.set()

    await asyncio.gather(send(), kill())
    return len(records), len(records)


async def campaign_under_fire(stage):
    """Launch, and kill those who take part until the campaign has ended."""
    below = max(stage.segments)
    templates = await campaigning.approved_templates(stage, sending.TEXTS)
    campaign = await campaigning.launched(stage, "under fire", stage.segments[below], templates)
    request = touch.GetCampaignRequest(project_id=PROJECT, campaign_id=campaign.campaign_id)
    for name in ("touch", "profile", "touch", "identity", "touch"):
        await asyncio.sleep(0.3)
        await kill_and_restart(stage.platform, name)
    while True:
        answer = await insist(lambda: call(stage.client.touch.GetCampaign, request))
        if answer.campaign.state == touch.CAMPAIGN_STATE_COMPLETED:
            return campaign, answer.summary, stage.audiences[below]
        await asyncio.sleep(0.2)


def check_sends(stage, campaign, summary, audience, sends):
    must = outcomes.expected(stage, campaign, audience, outcomes.CHANNELS)
    assert summary.audience == len(audience)
    assert summary.held_out == len(must.held_out)
    for channel in outcomes.CHANNELS:
        counted = sum(row.sends for row in summary.counts if row.channel == channel)
        assert counted == summary.audience - summary.held_out
    assert outcomes.outcomes(sends) == must.outcomes

    messages = stage.receiver.messages()
    seen = Counter(message.send_key for message in messages)
    assert max(seen.values(), default=0) <= 1, "one message per send key"
    states = {send.send_key: send.state for send in sends if send.channel == touch.CHANNEL_PUSH}
    taken = {message.send_key for message in messages if message.answer == TAKEN}
    accepted = {key for key, state in states.items() if state in outcomes.WENT_OUT}
    unknown = {key for key, state in states.items() if state == touch.SEND_STATE_UNKNOWN}
    assert accepted <= taken
    assert taken <= accepted | unknown
    assert seen.keys() <= states.keys()


async def test_every_service_may_die_at_any_time(platform, receiver, monkeypatch):
    yesterday = datetime.now(SHANGHAI).date() - timedelta(days=1)
    quarter = Quarter(Settings(customers=CUSTOMERS, end=yesterday))
    console = Console(file=io.StringIO(), width=130)
    checks = Comparison(console)
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("test", ["admin"], [PROJECT])
    monkeypatch.setattr(arriving, "_live_day", live_day_under_fire)
    async with SiyuClient(targets, tokens) as client:
        stage = Stage(console, platform, client, receiver, quarter, checks, Mode())
        for chapter in (arriving, persons, opening_funnel, turning_point, audiences):
            await chapter.tell(stage)
        # Batches that were sent again on purpose are dropped, and counted as such.
        differences = [one for one in checks.differences if "dropped" not in one]
        assert not differences, "\n".join(differences)
        campaign, summary, audience = await campaign_under_fire(stage)
        sends = await listing.sends(stage, campaign.campaign_id)
        check_sends(stage, campaign, summary, audience, sends)
        chain = touch.VerifyDecisionsRequest(project_id=PROJECT)
        assert (await call(client.touch.VerifyDecisions, chain)).intact
