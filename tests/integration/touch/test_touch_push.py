import asyncio
import hashlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.outbox import Outbox
from siyu_kit.testing.migrated import migrated
from siyu_touch.app.dispatch import Dispatcher, Pace
from siyu_touch.app.launch_campaign import launch_campaign
from siyu_touch.app.manage_campaigns import create_campaign
from siyu_touch.app.manage_templates import approve_template, create_template
from siyu_touch.app.ports import PushMessage
from siyu_touch.app.read_sends import read_campaign, verify_decisions
from siyu_touch.bootstrap import MIGRATIONS, inbox_cipher, run_dispatcher
from siyu_touch.channel.http_push import HttpPushProvider
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.delivery import Answer
from siyu_touch.domain.vocabulary import CampaignState, Channel, MessageClass, SendState
from siyu_touch.store.touch_store import SqlTouchStore
from support import touch_dispatcher
from support.push_receiver import FAULTS, OK, PushReceiver
from support.touch_twins import ScriptedAudiences, ScriptedFacts

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
CHANNELS = {Channel.IN_APP, Channel.PUSH}


async def launched(store, message_class, members):
    clock = SystemClock()
    template = await create_template(
        store,
        clock,
        project_id="p",
        request_id=f"t{message_class}",
        author="a",
        name="t",
        channel=Channel.PUSH,
        message_class=message_class,
        title="你好",
        body="{{ name }}",
    )
    await approve_template(
        store,
        project_id="p",
        template_id=template.template_id,
        approver="b",
        content_digest=template.content_digest,
    )
    campaign = await create_campaign(
        store,
        clock,
        CHANNELS,
        request_id=f"c{message_class}",
        content=b"",
        campaign=Campaign(
            "p",
            "",
            f"c{message_class}",
            "s",
            (template.template_id,),
            holdout_basis_points=1_000,
        ),
    )
    audiences = ScriptedAudiences(set(members))
    return await launch_campaign(
        store, audiences, clock, CHANNELS, project_id="p", campaign_id=campaign.campaign_id
    )


async def completed(store, campaign, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while True:
            now, summary = await read_campaign(store, "p", campaign.campaign_id)
            if now.state is CampaignState.COMPLETED:
                return summary
            await asyncio.sleep(0.1)


def reconciled(summary):
    """Sends by state; every send ended, and together with the held out they are the audience."""
    states = Counter()
    for count in summary.counts:
        states[count.state] += count.sends
    assert sum(states.values()) + summary.held_out == summary.audience
    return states


def by_key(key, number):
    """A third of the messages meets a fault at its first call, each kind about as often."""
    drawn = hashlib.sha256(key.encode()).digest()[0]
    return FAULTS[drawn % len(FAULTS)] if number == 1 and drawn < 86 else OK


@pytest.mark.parametrize("message_class", [MessageClass.MARKETING, MessageClass.SERVICE])
async def test_every_message_is_accounted_for_through_a_providers_faults(
    database_url, message_class
):
    await migrated(database_url, MIGRATIONS)
    database = Database(database_url)
    store = SqlTouchStore(database, Outbox(), inbox_cipher(b"k" * 32))
    receiver = PushReceiver(by_key)
    await receiver.start()
    provider = HttpPushProvider(receiver.url, timeout_s=0.7, connections=16)
    campaign = await launched(store, message_class, range(1, 301))
    pace = Pace(push_batch=40, push_concurrency=16, poll_s=0.05)
    dispatcher = Dispatcher(store, ScriptedFacts(), provider, SystemClock(), pace)
    working = asyncio.create_task(
        run_dispatcher(dispatcher, Leases(database), SystemClock(), place="one")
    )
    summary = await completed(store, campaign)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    states = reconciled(summary)
    assert receiver.mismatched == 0
    assert states[SendState.FAILED] > 0
    if message_class is MessageClass.MARKETING:
        assert max(receiver.taken.values()) == 1
        assert states[SendState.UNKNOWN] > 0
        taken = states[SendState.ACCEPTED] + states[SendState.UNKNOWN]
        assert len(receiver.taken) == taken
    else:
        assert states[SendState.UNKNOWN] == 0
        assert len(receiver.taken) == states[SendState.ACCEPTED]
    assert not (await verify_decisions(store, "p")).broken_sequence
    await provider.aclose()
    await receiver.stop()
    await database.aclose()


@pytest.fixture
async def database(database_url):
    await migrated(database_url, MIGRATIONS)
    database = Database(database_url)
    yield database
    await database.aclose()


@pytest.fixture
async def receiver():
    receiver = PushReceiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def start(database_url, database, receiver):
    """Starts a dispatcher as a process; none outlives its test."""
    script, started = Path(touch_dispatcher.__file__), []

    async def start(**more):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), database_url, receiver.url, env=os.environ | more
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_dispatcher_killed_over_and_over_sends_no_message_twice(database, receiver, start):
    store = SqlTouchStore(database, Outbox(), inbox_cipher(b"k" * 32))
    campaign = await launched(store, MessageClass.MARKETING, range(1, 401))
    for kill in range(4):
        process = await start()
        seen = sum(receiver.taken.values())
        async with asyncio.timeout(30):
            while sum(receiver.taken.values()) < seen + 25 + 7 * kill:
                await asyncio.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    last = await start()
    summary = await completed(store, campaign)
    last.terminate()
    await last.wait()
    states = reconciled(summary)
    assert set(states) <= {SendState.ACCEPTED, SendState.UNKNOWN}
    assert max(receiver.taken.values()) == 1
    # A kill leaves at most what was under way in doubt; doubt is never resolved by sending again.
    assert states[SendState.UNKNOWN] <= 4 * touch_dispatcher.CONCURRENCY
    assert states[SendState.ACCEPTED] <= len(receiver.taken) <= sum(states.values())
    assert not (await verify_decisions(store, "p")).broken_sequence


async def test_a_death_between_begin_and_call_leaves_what_was_begun_in_doubt(
    database, receiver, start
):
    store = SqlTouchStore(database, Outbox(), inbox_cipher(b"k" * 32))
    campaign = await launched(store, MessageClass.MARKETING, range(1, 201))
    dying = await start(SIYU_FAILPOINTS="touch.attempt_committed=kill")
    async with asyncio.timeout(30):
        assert await dying.wait() == -signal.SIGKILL
    assert not receiver.taken
    last = await start()
    summary = await completed(store, campaign)
    last.terminate()
    await last.wait()
    states = reconciled(summary)
    assert states[SendState.UNKNOWN] == touch_dispatcher.CONCURRENCY
    assert states[SendState.ACCEPTED] == len(receiver.taken)
    assert set(states) == {SendState.ACCEPTED, SendState.UNKNOWN}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("200", Answer.ACCEPTED),
        ("202", Answer.ACCEPTED),
        ("400", Answer.REJECTED),
        ("410", Answer.REJECTED),
        ("302", Answer.TURNED_AWAY),
        ("401", Answer.TURNED_AWAY),
        ("403", Answer.TURNED_AWAY),
        ("404", Answer.TURNED_AWAY),
        ("408", Answer.AMBIGUOUS),
        ("429", Answer.PUT_OFF),
        ("503", Answer.PUT_OFF),
        ("500", Answer.AMBIGUOUS),
        ("504", Answer.AMBIGUOUS),
        ("hang", Answer.AMBIGUOUS),
        ("drop", Answer.AMBIGUOUS),
    ],
)
async def test_what_each_answer_means(answer, expected):
    receiver = PushReceiver(lambda _key, _number: answer)
    await receiver.start()
    provider = HttpPushProvider(receiver.url, timeout_s=0.3, connections=1)
    message = PushMessage("k" * 64, "device", "t", "b")
    delivery = await provider.push(message)
    assert delivery.answer is expected
    assert delivery.provider_message_id == ("m-kkkkkkkk" if expected is Answer.ACCEPTED else "")
    await receiver.stop()
    await provider.aclose()


async def test_nobody_listening_means_not_sent():
    receiver = PushReceiver()
    await receiver.start()
    url = receiver.url
    await receiver.stop()
    await asyncio.sleep(0.05)
    provider = HttpPushProvider(url, timeout_s=1.0, connections=1)
    delivery = await provider.push(PushMessage("k", "d", "t", "b"))
    assert delivery.answer is Answer.PUT_OFF
    await provider.aclose()


async def test_what_is_no_address_of_a_provider_sends_nothing():
    provider = HttpPushProvider("htp://127.0.0.1/push", timeout_s=1.0, connections=1)
    delivery = await provider.push(PushMessage("k", "d", "t", "b"))
    assert (delivery.answer, delivery.reason) == (Answer.TURNED_AWAY, "PROVIDER_URL_INVALID")
    await provider.aclose()
