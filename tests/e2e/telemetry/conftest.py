"""One platform that sends its telemetry to a receiver in this process, and one journey on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from segment.analytics.client import Client

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient
from siyu_client.platform import Platform
from siyu_client.platform.services import SERVICES
from siyu_demo.story.push_receiver import PushReceiver
from support.journey import Journey, Texts
from support.living_platform import LivingPlatform
from support.otlp_receiver import OtlpReceiver
from support.planting import CANARIES, SECRET

PROJECT = "watched"
CUSTOMER = ("customer_no", "C7000001")
EVERYTHING = " ".join(CANARIES.values())
SOON = {
    "SIYU_METRICS_INTERVAL_S": "0.5",
    "SIYU_LOG_LEVEL": "DEBUG",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_BLRP_SCHEDULE_DELAY": "200",
}


@pytest.fixture(scope="package")
def receiver() -> Iterator[OtlpReceiver]:
    """Where everything is exported to."""
    running = OtlpReceiver()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="package")
def push(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushReceiver]:
    """A push provider."""
    running = PushReceiver(tmp_path_factory.mktemp("push"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="package")
def watched(
    tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver, push: PushReceiver
) -> Iterator[Platform]:
    """The platform."""
    folder: Path = tmp_path_factory.mktemp("watched")
    exporting = {"SIYU_OTLP_ENDPOINT": receiver.endpoint, **SOON}
    extra = {spec.name: dict(exporting) for spec in SERVICES}
    extra["touch"]["SIYU_TOUCH_PUSH_URL"] = push.url
    running = Platform(folder, projects=(PROJECT,), extra=extra)
    running.start()
    yield running
    running.stop()


@dataclass(frozen=True)
class Travelled:
    """What came of one customer's journey."""

    pushed: touch.Send
    in_app: touch.Send


@pytest.fixture(scope="package")
def travelled(watched: Platform) -> Travelled:
    """From an event of the vendor's library to the receipts; every text is personal."""
    failures: list[object] = []
    sdk = Client(
        watched.write_keys[PROJECT],
        host=watched.http_url,
        on_error=lambda error, _: failures.append(error),
    )
    properties = {"amount": 5.5, "note": EVERYTHING}
    sdk.track(user_id=CUSTOMER[1], event="deposit", properties=properties, anonymous_id="web-1")
    sdk.shutdown()
    assert not failures
    return asyncio.run(_travel(watched))


async def _travel(platform: Platform) -> Travelled:
    texts = Texts(
        CANARIES["name"],
        title=EVERYTHING,
        body=EVERYTHING,
        description=EVERYTHING,
        evidence=EVERYTHING,
    )
    async with client_of(platform, "user:test") as author:
        living = LivingPlatform(platform, author, PROJECT)
        await living.await_events(1)
        journey = Journey(living, texts)
        await journey.state_facts(CUSTOMER, SECRET)
        segment_id = await journey.refreshed_segment("deposit")
        async with client_of(platform, "user:other") as approver:
            campaign_id = await journey.launched_campaign(segment_id, approver)
        by_channel = {send.channel: send for send in await journey.sends(campaign_id)}
        gone = Travelled(by_channel[touch.CHANNEL_PUSH], by_channel[touch.CHANNEL_IN_APP])
        await journey.report(gone.pushed, touch.SEND_STATE_DELIVERED)
        await journey.report(gone.in_app, touch.SEND_STATE_READ)
        # What touch tells of it goes back through the door and ends in the store too.
        await living.await_events(1 + 4)
        return gone


@pytest_asyncio.fixture
async def client(watched: Platform) -> AsyncIterator[SiyuClient]:
    """An administrator's."""
    async with client_of(watched, "user:test") as opened:
        yield opened


def client_of(platform: Platform, subject: str) -> SiyuClient:
    """A client of somebody with every role."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    return SiyuClient(targets, platform.credentials.tokens(subject, ["admin"], ["*"]))


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Waits until something is there: exporters send now and then."""

    async def wait(look: Callable[[], object], timeout_s: float = 15) -> object:
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not arrive"
            await asyncio.sleep(0.1)
        return found

    return wait
