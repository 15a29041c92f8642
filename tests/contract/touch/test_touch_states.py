"""What the metrics say about sends that wait."""

import time

from sqlalchemy import update

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu_kit import metric_defs
from siyu_kit.errors import DataLoss, InternalError
from siyu_touch.app import dispatch
from siyu_touch.domain.vocabulary import SendState
from siyu_touch.store import tables
from siyu_touch.store.states import sends_probe


async def oldest(touch):
    """State -> seconds, by the database's clock."""
    readings = await sends_probe(touch.database)()
    return {one.labels["state"]: one.value for one in readings
            if one.of is metric_defs.TOUCH_OLDEST}  # fmt: skip


async def test_the_age_of_what_is_due_or_was_begun_is_told(touch):
    begun_ms = time.time_ns() // 1_000_000
    minute = begun_ms // 60_000 % 1_440
    touch.clock.set_ms(begun_ms - 1_000_000)
    await touch.launched(members=[1])
    quiet = pb.QuietHours(from_minute=(minute - 60) % 1_440, to_minute=(minute + 60) % 1_440)
    await touch.launched(members=[2], quiet_hours=quiet, zone="UTC")
    assert 1_000 <= (await oldest(touch))["planned"] < 1_100
    await touch.dispatch()
    assert await oldest(touch) == {}  # the one in quiet hours is due after them
    values = {"state": int(SendState.ATTEMPTING), "update_time_ms": begun_ms - 500_000}
    async with touch.database.transaction() as session:
        await session.execute(update(tables.send).values(values))
    await touch.launched(members=[3])
    ages = await oldest(touch)
    assert ages.keys() == {"attempting", "planned"}
    assert 500 <= ages["attempting"] < 600


async def test_what_is_put_off_is_counted_with_its_reason(touch, monkeypatch):
    counted = []
    monkeypatch.setattr(dispatch, "count_put_off", lambda *given: counted.append(given))
    await touch.launched(members=[1])
    touch.facts.error = DataLoss("DOCUMENT_DAMAGED", "a stored profile cannot be read")
    await touch.dispatch()
    touch.facts.error = InternalError("INTERNAL", "internal error")
    await touch.launched(members=[2])
    await touch.dispatch()
    assert counted == [("p", "DOCUMENT_DAMAGED"), ("p", "INTERNAL")]
