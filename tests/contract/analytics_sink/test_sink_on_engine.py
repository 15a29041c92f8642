"""What the sink makes of a stream, on the real engine."""

import asyncio

import pytest

from siyu.event.v1.event_pb2 import Event
from siyu.type.v1.identifier_pb2 import Identifier
from siyu.type.v1.value_pb2 import StringList
from siyu_kit.sql.lease import LeaseLost
from siyu_kit.stream import dead_letters
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.topics import Kind
from support.analytics_events import DAY_MS, START_MS, entry, track


async def test_an_event_keeps_all_that_it_came_with(rig):
    event = track(rig.project, 1, user=4)
    event.string_properties["渠道"] = "广告"
    event.number_properties["amount"] = 12.5
    event.bool_properties["first"] = True
    event.time_properties["due"] = 1_760_000_000_001
    event.list_properties["tags"].CopyFrom(StringList(values=["a", "b"]))
    event.context["platform"] = "ios"
    owned = await rig.owned()
    await rig.send(entry([event]))
    await rig.deliver(rig.sink(), owned)
    (row,) = await rig.rows("*, toUnixTimestamp64Milli(time) AS ms")
    assert (row["name"], row["ident_no"], row["ms"]) == ("view", 5, event.event_time_ms)
    assert dict(row["string_properties"]) == {"渠道": "广告"}
    assert dict(row["number_properties"]) == {"amount": 12.5}
    assert dict(row["bool_properties"]) == {"first": True}
    assert dict(row["time_properties"]) == {"due": 1_760_000_000_001}
    assert dict(row["list_properties"]) == {"tags": ["a", "b"]}
    assert dict(row["context"]) == {"platform": "ios"}


async def test_a_message_sent_again_is_stored_once(rig):
    owned, sink = await rig.owned(), rig.sink()
    await rig.send(entry([track(rig.project, 1), track(rig.project, 1), track(rig.project, 2)]))
    await rig.deliver(sink, owned)
    # Sent again with another corrected time: the client's own time and the id say what it is.
    later = track(rig.project, 2, event_time_ms=START_MS + 60 * DAY_MS)
    await rig.send(entry([later, track(rig.project, 3)]))
    await rig.deliver(sink, owned)
    assert [row["message_id"] for row in await rig.rows()] == ["m1", "m2", "m3"]
    assert await rig.counts() == (3, 2)


async def test_only_what_happened_is_stored(rig):
    owned, sink = await rig.owned(), rig.sink()
    await rig.send(
        entry([track(rig.project, 1, kind=4)], Kind.PROFILE),
        entry([track(rig.project, 2, kind=2), track(rig.project, 3)], Kind.TRACK | Kind.LINK),
        entry([track(rig.project, 4)], kinds=0),
    )
    await rig.deliver(sink, owned)
    assert [row["message_id"] for row in await rig.rows()] == ["m3", "m4"]
    assert await rig.stream.tail("events", 0) == owned.position


async def test_one_bad_entry_takes_nothing_along(rig):
    owned, sink = await rig.owned(), rig.sink()
    good = entry([track(rig.project, 1)])
    await rig.send(
        good,
        NewEntry(b"\x0a\xff\xff\xff\x7fgarbage", 1, Kind.TRACK),
        NewEntry(good.payload[:-3], 1, Kind.TRACK),
        entry(
            [
                track(rig.project, 2, event_time_ms=2**62),
                Event(project_id=rig.project, kind=1, name="nobody"),
                track(rig.project, 3),
            ]
        ),
        entry([_of("strange", rig.project, 4), track(rig.project, 5)]),
    )
    await rig.deliver(sink, owned)
    assert [row["message_id"] for row in await rig.rows()] == ["m1", "m3", "m5"]
    async with rig.database.session() as session:
        letters = await dead_letters.list_letters(session)
    assert sorted(letter.reason for letter in letters) == [
        "EVENT_UNSOUND",
        "EVENT_UNSOUND",
        "IDENTIFIER_REFUSED",
        "UNREADABLE_PAYLOAD",
        "UNREADABLE_PAYLOAD",
    ]


async def test_a_known_subject_is_not_asked_for_again(rig):
    owned, sink = await rig.owned(), rig.sink()
    user = int(rig.project[1:8], 16)
    for number in (1, 2, 3):
        await rig.send(entry([track(rig.project, number, user=user)]))
        await rig.deliver(sink, owned)
    assert len(rig.numbers.asked) == 1


async def test_a_plan_left_open_is_replayed_as_it_was(rig, monkeypatch):
    owned = await rig.owned()
    months = [track(rig.project, n, event_time_ms=START_MS + n * 20 * DAY_MS) for n in range(6)]
    await rig.send(entry(months), entry([track(rig.project, 10)]))

    async def crash(*_args: object) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(rig.plans, "done", crash)
        with pytest.raises(RuntimeError):
            await rig.deliver(rig.sink(), owned)
    assert await rig.rows("count() AS n") == [{"n": 7}]
    plan = await rig.plans.open_plan(0)
    assert (await rig.progress.progress(rig.project)).batch_no == plan.batch_no - 1
    # More has come meanwhile: it is not part of the plan.
    await rig.send(entry([track(rig.project, 11), track(rig.project, 10)]))
    await asyncio.sleep(0.25)
    again = await rig.owned()
    await rig.deliver(rig.sink(), again)
    assert await rig.counts() == (8, 1)
    assert await rig.rows("count() AS n, uniqExact(message_id) AS u") == [{"n": 8, "u": 8}]
    assert (await rig.progress.progress(rig.project)).batch_no == plan.batch_no + 1


@pytest.mark.parametrize("token", ["same", "lost"])
async def test_storing_a_batch_again_changes_nothing(rig, token):
    await rig.batches.stage(
        [entry([track(rig.project, n, event_time_ms=START_MS + n * 20 * DAY_MS)]).payload
         for n in range(6)]
    )  # fmt: skip
    await rig.batches.learn(await rig.numbers.assign(rig.project, await rig.batches.unknown()))
    batch_no = int(rig.project[1:], 16)
    first = await rig.batches.store(batch_no, f"0:{batch_no}", replay=False)
    # After a power loss the rows may be there and the memory of their token not.
    named = f"0:{batch_no}" if token == "same" else f"other:{batch_no}"
    await rig.engine.command("TRUNCATE TABLE fresh")
    assert await rig.batches.store(batch_no, named, replay=True) == first
    assert await rig.rows("count() AS n") == [{"n": 6}]


async def test_a_batch_is_one_part_a_month(rig):
    owned = await rig.owned()
    events = [
        track(rig.project, n, user=n, event_time_ms=START_MS + (n % 2) * 40 * DAY_MS)
        for n in range(3000)
    ]
    await rig.send(*(entry(events[start : start + 100]) for start in range(0, 3000, 100)))
    await rig.engine.command("SYSTEM STOP MERGES events")
    try:
        await rig.deliver(rig.sink(), owned)
        assert await rig.rows("uniqExact(_part) AS parts, count() AS n") == [
            {"parts": 2, "n": 3000}
        ]
    finally:
        await rig.engine.command("SYSTEM START MERGES events")


async def test_who_lost_the_lease_leaves_nothing_behind(rig):
    first, second = rig.sink(), rig.sink()
    slow = await rig.owned("a")
    await asyncio.sleep(0.25)
    quick = await rig.owned("b")
    await rig.send(entry([track(rig.project, 1)]))
    await rig.deliver(second, quick)
    slow_position = slow.position
    with pytest.raises(LeaseLost):
        await rig.deliver(first, slow)
    assert slow.position == slow_position
    assert await rig.counts() == (1, 0)
    await rig.send(entry([track(rig.project, 2)]))
    await rig.deliver(second, quick)
    assert await rig.counts() == (2, 0)


def _of(value: str, project: str, number: int) -> Event:
    event = track(project, number)
    del event.ids[:]
    event.ids.append(Identifier(type="customer_no", value=value))
    return event
