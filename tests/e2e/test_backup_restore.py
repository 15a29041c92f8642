"""Run, back up, destroy, restore: the numbers are equal, and nothing is sent twice."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time

import pytest

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient, call
from siyu_client.commands import running
from siyu_client.platform import Platform
from siyu_demo.records import Record, Via
from siyu_demo.story.push_receiver import PushReceiver
from siyu_kit.errors import InvalidInput
from support.backing_up import numbers, report_all
from support.journey import Journey, Texts
from support.living_platform import LivingPlatform, now_ms

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PROJECT = "kept"
PEOPLE = [("customer_no", f"C930000{n}") for n in range(8)]


def client_of(platform, subject="user:test"):
    targets = {name: address.target for name, address in platform.addresses.items()}
    return SiyuClient(targets, platform.credentials.tokens(subject, ["admin"], ["*"]))


def siyu(*arguments):
    command = [sys.executable, "-m", "siyu_client.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def push(tmp_path):
    receiver = PushReceiver(tmp_path / "push")
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def platforms(push):
    """Starts platforms in folders, one after the other, on the same provider."""
    started = []

    def start(folder):
        extra = {"touch": {"SIYU_TOUCH_PUSH_URL": push.url}}
        platform = Platform(folder, projects=(PROJECT,), extra=extra)
        platform.start()
        running.publish(platform)
        started.append(platform)
        return platform

    yield start
    for platform in started:
        platform.stop()


async def filled(platform, client):
    """Customers with addresses and consents, and a segment of them; journey and segment."""
    living = LivingPlatform(platform, client, PROJECT)
    records = [
        Record(f"kept-{n}", "track", dict([who]), "deposit", now_ms() - 9_000, {}, True,
               Via.SEGMENT)
        for n, who in enumerate(PEOPLE)
    ]  # fmt: skip
    await living.send_by_http(records)
    await living.await_events(len(PEOPLE))
    for n, who in enumerate(PEOPLE):
        await Journey(living, Texts(f"facts-{n}")).state_facts(who, f"address-{n}")
    segment_id = await Journey(living, Texts("kept")).refreshed_segment("deposit")
    return living, segment_id


async def launched(living, platform, segment_id, name):
    async with client_of(platform, "user:approver") as approver:
        return await Journey(living, Texts(name)).launched_campaign(
            segment_id, approver, [touch.CHANNEL_PUSH]
        )


async def settled(client, campaign_id, timeout_s=40):
    """Wait until the campaign has completed."""
    request = touch.GetCampaignRequest(project_id=PROJECT, campaign_id=campaign_id)
    deadline = time.monotonic() + timeout_s
    while True:
        answer = await call(client.touch.GetCampaign, request)
        if answer.campaign.state == touch.CAMPAIGN_STATE_COMPLETED:
            return
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.05)


async def caught_up(client, segment_id, events, timeout_s=30):
    """The numbers, once what lay in the streams is in the stores."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await numbers(client, PROJECT, segment_id)
        if found.balanced and found.events >= events:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def planned(client, campaign_id, timeout_s=20):
    request = touch.ListSendsRequest(project_id=PROJECT, campaign_id=campaign_id)
    deadline = time.monotonic() + timeout_s
    while len(sends := (await call(client.touch.ListSends, request)).sends) < len(PEOPLE):
        assert time.monotonic() < deadline, sends
        await asyncio.sleep(0.05)
    return list(sends)


def test_what_is_put_back_is_equal_and_nothing_is_sent_twice(platforms, push, tmp_path):
    here, there, backup = tmp_path / "here", tmp_path / "there", tmp_path / "backup"
    platform = platforms(here)

    async def before():
        async with client_of(platform) as client:
            living, segment_id = await filled(platform, client)
            first = await launched(living, platform, segment_id, "first")
            await settled(client, first)
            # touch tells of its sends through the door: wait until that is in, too.
            await asyncio.sleep(2)
            shown = await numbers(client, PROJECT, segment_id)
            return shown, segment_id, first

    shown, segment_id, first = asyncio.run(before())

    async def second():
        async with client_of(platform) as client:
            living = LivingPlatform(platform, client, PROJECT)
            return await launched(living, platform, segment_id, "second")

    # The second one is under way while it is backed up: the provider does not answer.
    push.process.send(signal.SIGSTOP)
    try:
        campaign_id = asyncio.run(second())
        made = siyu("backup", backup, "--dir", here)
        assert made.returncode == 0, made.stderr
    finally:
        push.process.send(signal.SIGCONT)
    digest = made.stdout.split("digest of the manifest:")[1].split()[0]

    async def after_backup():
        async with client_of(platform) as client:
            await settled(client, campaign_id)
            return await planned(client, campaign_id)

    asyncio.run(after_backup())
    taken = {message.send_key for message in push.messages() if message.answer != "refused"}
    assert len(taken) > len(PEOPLE)

    platform.stop()
    shutil.copytree(here / "keys", there / "keys")
    shutil.rmtree(here)
    refused = siyu("restore", backup, "--dir", there, "--digest", "0" * 64)
    assert refused.returncode == 1
    assert [path.name for path in there.iterdir() if path.name != "lock"] == ["keys"]
    put = siyu("restore", backup, "--dir", there, "--digest", digest)
    assert put.returncode == 0, put.stderr
    assert "touch sends nothing" in put.stdout
    count = len(push.messages())
    restored = platforms(there)

    async def after_restore():
        async with client_of(restored) as client:
            again = await caught_up(client, segment_id, shown.events)
            assert again.members == shown.members
            assert again.decisions >= shown.decisions
            freeze = touch.GetFreezeRequest(project_id=PROJECT)
            assert (await call(client.touch.GetFreeze, freeze)).frozen
            await planned(client, campaign_id)
            await asyncio.sleep(2)
            assert len(push.messages()) == count  # frozen: nothing goes out
            codes = await report_all(client, PROJECT, sorted(taken))
            assert set(codes) == {0}
            silent = touch.LiftFreezeRequest(project_id="*", reconciled=True)
            with pytest.raises(InvalidInput):
                await call(client.touch.LiftFreeze, silent)
            lift = touch.LiftFreezeRequest(project_id="*", reconciled=True, reason="all reported")
            assert (await call(client.touch.LiftFreeze, lift)).parked == 0
            await settled(client, campaign_id)
            await settled(client, first)
            return await planned(client, campaign_id)

    sends = asyncio.run(after_restore())
    keys = [message.send_key for message in push.messages() if message.answer != "refused"]
    assert len(keys) == len(set(keys)), "a message was sent twice"
    assert {send.person_no for send in sends} == set(shown.members)
