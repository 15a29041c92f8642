"""Projects know nothing of one another: every method, with another's token and another's ids.

Requests are made from the contracts by the names of their fields, so that a method that comes
later is covered by being there.
"""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient
from siyu_client.platform.services import SERVICES
from siyu_demo.records import Record, Via
from support.any_method import ask, methods, path_of
from support.harvest import Harvest, scalars
from support.journey import Journey, Texts
from support.living_platform import now_ms
from support.planting import CANARIES, found_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PROJECT = "apart"
STRANGER = "stranger"
CUSTOMER = ("customer_no", "C9100001")
ADDRESS = "jinsique-push-address-77"
MARK = "jinsique-mark-of-apart"
NOT_THERE = {"GetSegment", "GetTemplate", "GetCampaign", "ListSends", "ExplainPerson", "GetPerson"}
OPS_IN = ("analytics", "identity", "profile", "segment", "touch")


def served():
    """Service and method; those of OpsService in each service that has it."""
    for method in methods():
        name = path_of(method).split(".")[1]
        for service in OPS_IN if name == "ops" else (name,):
            yield service, method


def reads(method):
    return method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS


@pytest.fixture
async def channels(platform):
    opened = {
        spec.name: grpc.aio.insecure_channel(platform.addresses[spec.name].target)
        for spec in SERVICES
    }
    yield opened
    for channel in opened.values():
        await channel.close()


@pytest.fixture
async def lived(platform, living, channels):
    """A project in which something of everything happened, and the ids of it."""
    texts = Texts(MARK, title=MARK, body=MARK, description=CANARIES["name"], evidence=MARK)
    ids = {CUSTOMER[0]: CUSTOMER[1]}
    record = Record("apart-1", "track", ids, "deposit", now_ms() - 1000, {}, True, Via.SEGMENT)
    await living.send_by_http([record])
    await living.await_events(1)
    journey = Journey(living, texts)
    await journey.state_facts(CUSTOMER, ADDRESS)
    segment_id = await journey.refreshed_segment("deposit")
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("user:other", ["admin"], [PROJECT])
    async with SiyuClient(targets, tokens) as approver:
        in_app = [touch.CHANNEL_IN_APP]
        campaign_id = await journey.launched_campaign(segment_id, approver, in_app)
    harvest = Harvest()
    for send in await journey.sends(campaign_id):
        harvest.take(send)
    return harvest


async def told(platform, channels, harvest, *, project=PROJECT, keep=True):
    """What every read of the project answers; what is new in it is harvested."""
    token = platform.credentials.tokens("user:own", ["admin"], [project]).token()
    answers = {}
    for service, method in served():
        if not reads(method):
            continue
        request = harvest.request(method.input_type, project)
        answer = await ask(channels[service], method, request, token=token, timeout_s=2)
        if keep:
            for message in answer.messages:
                harvest.take(message)
        answers[service, path_of(method)] = answer
    return answers


async def test_another_projects_ids_open_nothing(platform, living, channels, lived):
    harvest = lived
    for _ in range(3):  # what one answer names opens the next
        own = await told(platform, channels, harvest)
    shown = b"".join(m.SerializeToString() for a in own.values() for m in a.messages)
    # The crawl does reach what must not be seen by others.
    assert found_in(shown, [MARK, ADDRESS, CUSTOMER[1]]) == [MARK, ADDRESS, CUSTOMER[1]]
    for kind in ("segment_id", "campaign_id", "template_id", "send_key", "person_id"):
        assert harvest.of(kind), kind

    token = platform.credentials.tokens("user:spy", ["admin"], [STRANGER]).token()
    secrets = {MARK, ADDRESS, *CANARIES.values()} | harvest.texts()
    denied = grpc.StatusCode.PERMISSION_DENIED
    said = {PROJECT, STRANGER}  # the stranger's own audit log repeats what the stranger said
    for service, method in served():
        there = harvest.request(method.input_type, PROJECT)
        answer = await ask(channels[service], method, there, token=token)
        assert (answer.code, answer.messages) == (denied, []), path_of(method)

        here = harvest.request(method.input_type, STRANGER)
        answer = await ask(channels[service], method, here, token=token, timeout_s=3)
        said |= {str(value) for _, value in scalars(here)}
        leaked = [
            (path_of(method), item.full_name, value)
            for message in answer.messages
            for item, value in scalars(message)
            if str(value) in secrets - said
        ]
        assert leaked == []
        assert not [text for text in secrets - said if text in answer.details], path_of(method)
        assert answer.code is not grpc.StatusCode.INTERNAL, (path_of(method), answer.details)
        assert answer.code is not grpc.StatusCode.UNKNOWN, (path_of(method), answer.details)

    # And nothing of it was changed by whoever named its ids elsewhere.
    stub, project = living.client.touch, PROJECT
    for campaign_id in harvest.of("campaign_id"):
        request = touch.GetCampaignRequest(project_id=project, campaign_id=campaign_id)
        assert (await stub.GetCampaign(request)).campaign.state == touch.CAMPAIGN_STATE_COMPLETED
    after = await told(platform, channels, harvest, keep=False)
    for key in (
        ("segment", "siyu.segment.v1.SegmentService/GetSegment"),
        ("touch", "siyu.touch.v1.TouchService/GetTemplate"),
        ("touch", "siyu.touch.v1.TouchService/ListSends"),
        ("profile", "siyu.profile.v1.ProfileService/GetProfile"),
        ("identity", "siyu.identity.v1.IdentityService/GetPerson"),
    ):
        assert own[key].code is grpc.StatusCode.OK, (key, own[key])
        assert after[key] == own[key], key

    # Where nobody was before, the ids are not found.
    token = platform.credentials.tokens("user:spy", ["admin"], ["vacant"]).token()
    for service, method in served():
        if method.name in NOT_THERE:
            request = harvest.request(method.input_type, "vacant")
            answer = await ask(channels[service], method, request, token=token)
            assert answer.code is grpc.StatusCode.NOT_FOUND, (path_of(method), answer)
