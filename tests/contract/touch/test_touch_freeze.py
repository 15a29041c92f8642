"""After a restore touch sends nothing until somebody says what went out meanwhile."""

import pytest
from sqlalchemy import text

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu.touch.v1.touch_service_pb2_grpc import TouchServiceStub
from siyu_kit.errors import InvalidInput, PermissionDenied
from siyu_kit.rpc.client import call

MARKETING, REGULATORY = pb.MESSAGE_CLASS_MARKETING, pb.MESSAGE_CLASS_REGULATORY


async def put_back(touch, backup="b1"):
    """As a restore leaves the database."""
    async with touch.database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO kit_restore (backup_id, backup_ms, restored_ms)"
                " VALUES (:backup, :then, :now)"
            ),
            {"backup": backup, "then": touch.clock.now_ms() - 1_000, "now": touch.clock.now_ms()},
        )


def of_all(touch):
    return TouchServiceStub(touch.served.channel("admin", projects=["*"]))


async def lift(touch, *, reconciled, reason="the provider's list was reported"):
    request = pb.LiftFreezeRequest(project_id="*", reason=reason, reconciled=reconciled)
    return (await call(of_all(touch).LiftFreeze, request)).parked


async def frozen(touch):
    return await call(touch.stub.GetFreeze, pb.GetFreezeRequest(project_id="p"))


async def pushing(touch, message_class=MARKETING, members=(1, 2, 3)):
    template = await touch.template(channel=pb.CHANNEL_PUSH, message_class=message_class)
    return await touch.launched(template, members=members)


async def states(touch, campaign):
    return [pb.SendState.Name(one.state)[11:] for one in await touch.sends(campaign)]


async def planned(touch, campaign):
    """The sends as the launch has planned them, before anything is dispatched."""
    return {one.person_no: one.send_key for one in await touch.sends(campaign)}


async def test_nothing_is_dispatched_while_it_is_frozen(touch):
    campaign = await pushing(touch)
    await put_back(touch)
    found = await frozen(touch)
    assert (found.frozen, found.backup_id) == (True, "b1")
    assert found.backup_time_ms == found.restored_time_ms - 1_000
    await touch.dispatch()
    assert touch.provider.pushed == []
    assert await states(touch, campaign) == ["PLANNED"] * 3  # so that receipts find them
    assert await lift(touch, reconciled=True) == 0
    assert not (await frozen(touch)).frozen
    await touch.dispatch()
    assert len(touch.provider.pushed) == 3
    assert await lift(touch, reconciled=True) == 0  # once more changes nothing


async def test_what_the_provider_had_is_not_sent_again(touch):
    campaign = await pushing(touch)
    keys = await planned(touch, campaign)
    assert await touch.receipts((keys[1], "DELIVERED")) == [9]  # FAILED_PRECONDITION: never sent
    await put_back(touch)
    codes = await touch.receipts((keys[1], "DELIVERED"), (keys[2], "FAILED"))
    assert codes == [0, 0]
    assert await lift(touch, reconciled=True) == 0
    await touch.dispatch()
    assert [message.send_key for message in touch.provider.pushed] == [keys[3]]
    assert await states(touch, campaign) == ["DELIVERED", "FAILED", "ACCEPTED"]
    assert (await touch.verify()).intact


async def test_a_receipt_too_old_for_an_event_keeps_a_message_from_going_out_again(touch):
    campaign = await pushing(touch)
    keys = await planned(touch, campaign)
    await put_back(touch)
    assert await touch.receipts((keys[1], "DELIVERED"), days_ago=30) == [0]
    assert await touch.receipts((keys[2], "DELIVERED"), days_ago=6) == [0]
    assert len(await touch.told()) == 1
    await lift(touch, reconciled=True)
    assert await touch.receipts((keys[3], "DELIVERED"), days_ago=30) == [3]  # INVALID_ARGUMENT
    await touch.dispatch()
    assert [message.send_key for message in touch.provider.pushed] == [keys[3]]


async def test_without_a_reconciliation_marketing_is_parked_and_notices_go_out(touch):
    campaign = await pushing(touch)
    notice = await pushing(touch, REGULATORY)
    await planned(touch, campaign)
    assert len(await touch.sends(notice)) == 3
    await put_back(touch)
    parked = await lift(touch, reconciled=False, reason="the provider keeps no list")
    await touch.dispatch()
    assert parked == 3
    assert await states(touch, campaign) == ["UNKNOWN"] * 3
    assert set(await states(touch, notice)) == {"ACCEPTED"}
    sent = [message.send_key for message in touch.provider.pushed]
    assert len(sent) == len(set(sent))


async def test_who_lifts_it_says_why_and_is_one_who_may(touch):
    await put_back(touch)
    for reason in ("", "x" * 1_001):
        with pytest.raises(InvalidInput):
            await lift(touch, reconciled=True, reason=reason)
    with pytest.raises(InvalidInput):  # it holds for all projects
        await call(touch.stub.LiftFreeze, pb.LiftFreezeRequest(project_id="p", reason="r"))
    operator = TouchServiceStub(touch.served.channel("operator", projects=["*"]))
    with pytest.raises(PermissionDenied):
        await call(operator.LiftFreeze, pb.LiftFreezeRequest(project_id="*", reason="r"))
    assert (await frozen(touch)).frozen
    await lift(touch, reconciled=True)
    async with touch.database.session() as session:
        row = (await session.execute(text("SELECT lifted_by, reason FROM kit_restore"))).one()
    assert tuple(row) == ("user:test", "the provider's list was reported")
