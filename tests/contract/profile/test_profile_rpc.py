import asyncio
import time

import pytest

from siyu.event.v1 import event_pb2 as event_pb
from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.profile.v1.profile_service_pb2_grpc import ProfileServiceStub
from siyu.type.v1 import identifier_pb2
from siyu.type.v1.value_pb2 import StringList, Value
from siyu_kit.errors import InvalidInput, NotFound, PermissionDenied
from siyu_kit.rpc.client import call
from siyu_kit.rpc.status import from_status
from siyu_kit.stream import dead_letters

SET, ONCE, ADD, APPEND, UNSET = range(1, 6)


def ident(value="c1", kind="customer_no"):
    return identifier_pb2.Identifier(type=kind, value=value)


def op(key, trait, kind, value=None, *, who="c1", at=1_000):
    return pb.TraitOperation(
        operation_id=key, identifier=ident(who), trait=trait, kind=kind, value=value,
        event_time_ms=at,
    )  # fmt: skip


def consent(key, granted, *, who="c1", at=1_000):
    return pb.Consent(
        consent_id=key, identifier=ident(who), channel="push", purpose="marketing",
        granted=granted, text_version="v1", evidence="e", event_time_ms=at,
    )  # fmt: skip


def contact(key, address, *, who="c1", kind="push_token", at=1_000, removed=False):
    return pb.ContactPoint(
        contact_point_id=key, identifier=ident(who), type=kind, address=address,
        event_time_ms=at, removed=removed,
    )  # fmt: skip


async def apply(profiles, *operations):
    request = pb.ApplyTraitsRequest(project_id="p", operations=operations)
    return await call(profiles.stub.ApplyTraits, request)


async def profile(profiles, person_no=1, stub=None):
    request = pb.GetProfileRequest(project_id="p", person_no=person_no)
    return (await call((stub or profiles.stub).GetProfile, request)).profile


def values(of):
    return {trait.name: trait.value for trait in of.traits}


async def test_traits_fold_and_are_published(profiles):
    response = await apply(
        profiles,
        op("1", "city", SET, Value(string_value="上海")),
        op("2", "first", ONCE, Value(string_value="h5")),
        op("3", "first", ONCE, Value(string_value="app"), at=2_000),
        op("4", "total", ADD, Value(number_value=1.25)),
        op("5", "total", ADD, Value(number_value=0.1), at=900),
        op("6", "topics", APPEND, Value(list_value=StringList(values=["a", "b", "a"]))),
        op("7", "gone", SET, Value(bool_value=True)),
        op("8", "gone", UNSET, at=3_000),
    )
    assert [result.status.code for result in response.results] == [0] * 8
    assert response.sequence > 0
    found = await profile(profiles)
    assert values(found) == {
        "city": Value(string_value="上海"),
        "first": Value(string_value="h5"),
        "total": Value(number_value=1.35),
        "topics": Value(list_value=StringList(values=["a", "b"])),
    }
    folded = await profiles.published()
    assert {name: value for (_, name), value in folded.items()} == values(found)


async def test_one_bad_item_refuses_itself_alone(profiles):
    response = await apply(
        profiles,
        op("1", "ok", SET, Value(string_value="x")),
        op("2", "bad name", SET, Value(string_value="x")),
        op("3", "n", ADD, Value(string_value="x")),
        op("4", "nan", SET, Value(number_value=float("nan"))),
        op("5", "who", SET, Value(bool_value=True), who=""),
    )
    errors = [from_status(item.status) if item.status.code else None for item in response.results]
    fields = [error and error.field for error in errors]
    assert fields[:4] == [
        None, "operations[1].trait", "operations[2].value", "operations[3].value",
    ]  # fmt: skip
    assert fields[4] is not None
    assert fields[4].startswith("operations[4].identifier")
    assert set(values(await profile(profiles))) == {"ok"}


def refusals(response):
    """The field that each item is refused for."""
    return [from_status(r.status).field if r.status.code else None for r in response.results]


async def test_identifiers_without_a_number_refuse_their_own_items(profiles):
    profiles.persons.refused = {("customer_no", "strange")}
    calls = [
        (profiles.stub.ApplyTraits, "operations", pb.ApplyTraitsRequest,
         lambda n, who: op(f"o{n}", "t", SET, Value(string_value="x"), who=who)),
        (profiles.stub.RecordConsents, "consents", pb.RecordConsentsRequest,
         lambda n, who: consent(f"c{n}", False, who=who)),
        (profiles.stub.SetContactPoints, "contact_points", pb.SetContactPointsRequest,
         lambda n, who: contact(f"p{n}", "token", who=who)),
        (profiles.stub.RecordRatings, "ratings", pb.RecordRatingsRequest,
         lambda n, who: pb.Rating(rating_id=f"r{n}", identifier=ident(who), level=3,
                                  assessed_time_ms=1, expire_time_ms=2)),
    ]  # fmt: skip
    for method, name, request, item in calls:
        items = [item(n, who) for n, who in enumerate(("c1", "null", "strange", "0"))]
        response = await call(method, request(project_id="p", **{name: items}))
        value, whole = f"{name}[{{}}].identifier.value", f"{name}[2].identifier"
        assert refusals(response) == [None, value.format(1), whole, value.format(3)]
        response = await call(method, request(project_id="p", **{name: [item(9, "strange")]}))
        assert refusals(response) == [f"{name}[0].identifier"]
    found = await profile(profiles)
    assert len(found.traits) == len(found.consents) == len(found.contact_points) == 1


async def test_a_nul_spoils_its_own_item_alone(profiles):
    items = [consent("a", True), consent("b\0", True), consent("c", False)]
    items[2].evidence = "a\0b"
    request = pb.RecordConsentsRequest(project_id="p", consents=items)
    response = await call(profiles.stub.RecordConsents, request)
    assert refusals(response) == [None, "consents[1].consent_id", "consents[2].evidence"]
    text = op("2", "u", SET, Value(list_value=StringList(values=["a", "\0"])))
    response = await apply(profiles, op("1", "t", SET, Value(string_value="x")), text)
    assert refusals(response) == [None, "operations[1].value.list_value.values[1]"]


async def test_repeating_is_harmless_and_reusing_a_key_is_refused(profiles):
    first = op("1", "t", SET, Value(string_value="a"))
    await apply(profiles, first)
    version = (await profile(profiles)).version
    again = await apply(profiles, first)
    assert (again.results[0].status.code, again.sequence) == (0, 0)
    assert (await profile(profiles)).version == version
    other = await apply(profiles, op("1", "t", SET, Value(string_value="b")))
    assert from_status(other.results[0].status).reason == "KEY_REUSED"
    assert values(await profile(profiles))["t"].string_value == "a"


async def test_batches_are_bounded(profiles):
    with pytest.raises(InvalidInput) as refused:
        await apply(profiles)
    assert refused.value.field == "operations"


async def test_contact_points_are_masked_and_the_newest_counts(profiles):
    request = pb.SetContactPointsRequest(
        project_id="p",
        contact_points=[
            contact("a", "token-old", at=1),
            contact("b", "token-new", at=2),
            contact("m", "13912345678", kind="mobile"),
        ],
    )
    await call(profiles.stub.SetContactPoints, request)
    analyst = ProfileServiceStub(profiles.served.channel("analyst", projects=["p"]))
    hidden = await profile(profiles, stub=analyst)
    assert all("token" not in point.address for point in hidden.contact_points)
    clear = await profile(profiles)
    assert {point.address for point in clear.contact_points} == {
        "token-old", "token-new", "13912345678",
    }  # fmt: skip
    facts = await send_facts(profiles, 1)
    assert (facts.address, facts.contact_point_id) == ("token-new", "b")
    del request.contact_points[:]
    request.contact_points.append(contact("b", "token-new", at=3, removed=True))
    await call(profiles.stub.SetContactPoints, request)
    assert (await send_facts(profiles, 1)).address == "token-old"
    del request.contact_points[:]
    request.contact_points.append(contact("b", "late", at=2))
    await call(profiles.stub.SetContactPoints, request)
    assert (await send_facts(profiles, 1)).address == "token-old"


async def send_facts(profiles, *person_nos, traits=()):
    request = pb.GetSendFactsRequest(
        project_id="p", person_nos=person_nos, channel="push", purpose="marketing", traits=traits
    )
    return (await call(profiles.stub.GetSendFacts, request)).facts[0]


async def test_equal_addresses_have_equal_keys(profiles):
    request = pb.SetContactPointsRequest(
        project_id="p",
        contact_points=[
            contact("a", "t1"),
            contact("b", "t1", who="c2"),
            contact("c", "t2", who="c3"),
        ],
    )
    await call(profiles.stub.SetContactPoints, request)
    keys = [(await send_facts(profiles, no)).address_key for no in (1, 2, 3)]
    assert keys[0] == keys[1] != keys[2]


async def test_consent_and_rating_reach_send_facts_and_the_feed(profiles):
    await call(
        profiles.stub.RecordConsents,
        pb.RecordConsentsRequest(project_id="p", consents=[consent("c", True)]),
    )
    rating = pb.Rating(
        rating_id="r", identifier=ident(), level=pb.RISK_LEVEL_C3, assessed_time_ms=5,
        expire_time_ms=9,
    )  # fmt: skip
    await call(
        profiles.stub.RecordRatings, pb.RecordRatingsRequest(project_id="p", ratings=[rating])
    )
    await apply(profiles, op("1", "name", SET, Value(string_value="x")))
    facts = await send_facts(profiles, 1, traits=["name", "none"])
    assert facts.consent.granted
    assert (facts.rating.level, facts.rating.expire_time_ms) == (pb.RISK_LEVEL_C3, 9)
    assert [trait.name for trait in facts.traits] == ["name"]
    folded = await profiles.published()
    assert folded[1, "consent.push.marketing"] == Value(bool_value=True)
    assert folded[1, "rating.risk"] == Value(number_value=3)
    assert folded[1, "rating.risk_level"] == Value(string_value="C3")


async def test_merge_and_split_refold_both_persons(profiles):
    await apply(
        profiles,
        op("1", "city", SET, Value(string_value="a"), at=1),
        op("2", "city", SET, Value(string_value="b"), who="c2", at=2),
        op("3", "only", SET, Value(bool_value=True), who="c2"),
    )
    await call(
        profiles.stub.RecordConsents,
        pb.RecordConsentsRequest(
            project_id="p", consents=[consent("x", True), consent("y", False, who="c2")]
        ),
    )
    before = [values(await profile(profiles, no)) for no in (1, 2)]
    await profiles.move((2, 1))
    merged = await profile(profiles)
    assert [(await send_facts(profiles, no)).ident_nos for no in (1, 2)] == [[1, 2], [1, 2]]
    assert values(merged)["city"].string_value == "b"
    assert not merged.consents[0].granted
    assert (await profile(profiles, 2)).person_no == 1
    assert {person for person, _ in await profiles.published()} == {1}
    await profiles.move((2, 2))
    assert [values(await profile(profiles, no)) for no in (1, 2)] == before
    assert [(await send_facts(profiles, no)).ident_nos for no in (1, 2)] == [[1], [2]]
    assert list((await send_facts(profiles, 99)).ident_nos) == []
    folded = await profiles.published()
    assert folded[2, "city"].string_value == "b"
    assert folded[1, "city"].string_value == "a"


async def test_what_was_withdrawn_stays_withdrawn_on_both_sides_of_a_split(profiles):
    async def state(*consents):
        request = pb.RecordConsentsRequest(project_id="p", consents=consents)
        await call(profiles.stub.RecordConsents, request)

    async def granted(person_no):
        return [item.granted for item in (await profile(profiles, person_no)).consents]

    await state(consent("x", True), consent("y", False, who="c2"))
    assert (await granted(1), await granted(2)) == ([True], [False])
    await profiles.move((2, 1))
    assert await granted(1) == [False]
    await profiles.split(2, 1, 2, at=5_000)
    assert (await granted(1), await granted(2)) == ([False], [False])
    await profiles.split(2, 1, 2, at=5_000)
    await state(consent("old", True, at=4_000))
    assert await granted(1) == [False]
    await state(consent("new", True, at=6_000))
    assert (await granted(1), await granted(2)) == ([True], [False])


async def test_a_split_by_late_evidence_leaves_each_side_its_own_consents(profiles):
    """Who hung together for a moment depends on the order of arrival; profiles must not."""
    request = pb.RecordConsentsRequest(
        project_id="p", consents=[consent("x", True), consent("y", False, who="c2")]
    )
    await call(profiles.stub.RecordConsents, request)
    await profiles.move((2, 1))
    await profiles.split(2, 1, 2, at=5_000, by_hand=False)
    found = [[c.granted for c in (await profile(profiles, no)).consents] for no in (1, 2)]
    assert found == [[True], [False]]


async def test_profile_events_become_traits(profiles):
    batch = event_pb.EventBatch()
    batch.events.add(
        project_id="p", message_id="m1", ids=[ident()], kind=event_pb.EVENT_KIND_PROFILE_SET,
        string_properties={"city": "x", "rating.risk": "no"}, number_properties={"age": 30},
        event_time_ms=5,
    )  # fmt: skip
    batch.events.add(
        project_id="p", message_id="m2", ids=[ident()], kind=event_pb.EVENT_KIND_TRACK,
        name="view", event_time_ms=6,
    )  # fmt: skip
    batch.events.add(
        project_id="p", message_id="m3", ids=[ident()],
        kind=event_pb.EVENT_KIND_PROFILE_INCREMENT, number_properties={"age": 1}, event_time_ms=7,
    )  # fmt: skip
    await profiles.consume(batch.SerializeToString())
    await profiles.consume(batch.SerializeToString())
    assert values(await profile(profiles)) == {
        "city": Value(string_value="x"),
        "age": Value(number_value=31),
    }
    async with profiles.database.session() as session:
        letter, _again = await dead_letters.list_letters(session)
    assert event_pb.EventBatch.FromString(letter.entry.payload).events == batch.events[:1]
    assert (letter.project_id, letter.reason) == ("p", "FIELD_INVALID")
    assert "properties[rating.risk]" in letter.message
    assert profiles.dead_lettered == ["FIELD_INVALID"] * 2


async def test_profile_events_of_identifiers_without_a_number_are_kept(profiles):
    profiles.persons.refused = {("customer_no", "strange")}
    batch = event_pb.EventBatch()
    for who in ("c1", "strange"):
        batch.events.add(
            project_id="p", message_id=who, ids=[ident(who)],
            kind=event_pb.EVENT_KIND_PROFILE_SET, string_properties={"city": "x", "b": "y"},
            event_time_ms=5,
        )  # fmt: skip
    await profiles.consume(batch.SerializeToString())
    assert set(values(await profile(profiles))) == {"b", "city"}
    async with profiles.database.session() as session:
        (letter,) = await dead_letters.list_letters(session)
    assert event_pb.EventBatch.FromString(letter.entry.payload).events == batch.events[1:]
    assert (letter.reason, profiles.dead_lettered) == (
        "IDENTIFIER_REFUSED", ["IDENTIFIER_REFUSED"],
    )  # fmt: skip


async def test_a_person_is_found_by_every_key(profiles):
    await apply(profiles, op("1", "t", SET, Value(string_value="a")))
    for key in ({"person_no": 1}, {"identifier": ident()}, {"person_id": f"{1:032}"}):
        request = pb.GetProfileRequest(project_id="p", **key)
        assert (await call(profiles.stub.GetProfile, request)).profile.person_no == 1
    for key in ({"person_no": 9}, {"identifier": ident("c9")}, {"person_id": f"{9:032}"}):
        with pytest.raises(NotFound) as missing:
            await call(profiles.stub.GetProfile, pb.GetProfileRequest(project_id="p", **key))
        assert missing.value.metadata["key"] in key
    with pytest.raises(InvalidInput):
        await call(profiles.stub.GetProfile, pb.GetProfileRequest(project_id="p"))


async def test_a_batch_answers_in_the_order_asked(profiles):
    await apply(
        profiles,
        op("1", "t", SET, Value(string_value="a")),
        op("2", "t", SET, Value(string_value="b"), who="c2"),
    )
    request = pb.BatchGetProfilesRequest(project_id="p", person_nos=[2, 7, 1])
    found = (await call(profiles.stub.BatchGetProfiles, request)).profiles
    assert [one.person_no for one in found] == [2, 7, 1]
    assert [len(one.traits) for one in found] == [1, 0, 1]


async def test_concurrent_writers_of_one_person_lose_nothing(profiles):
    await asyncio.gather(
        *(
            apply(profiles, op(f"o{n}", "sum", ADD, Value(number_value=1), at=n + 1))
            for n in range(20)
        )
    )
    assert values(await profile(profiles))["sum"].number_value == 20


async def test_who_may_not_call(profiles):
    other = ProfileServiceStub(profiles.served.channel("steward", projects=["q"]))
    with pytest.raises(PermissionDenied):
        await profile(profiles, stub=other)
    analyst = ProfileServiceStub(profiles.served.channel("analyst", projects=["p"]))
    request = pb.GetSendFactsRequest(
        project_id="p", person_nos=[1], channel="push", purpose="marketing"
    )
    with pytest.raises(PermissionDenied):
        await call(analyst.GetSendFacts, request)


async def test_a_sum_beyond_all_numbers_harms_nobody(profiles):
    batch = event_pb.EventBatch()
    for number in range(3):
        batch.events.add(
            project_id="p", message_id=f"big{number}", ids=[ident()],
            kind=event_pb.EVENT_KIND_PROFILE_INCREMENT, number_properties={"big": 9e14},
            event_time_ms=5 + number,
        )  # fmt: skip
    batch.events.add(
        project_id="p", message_id="nan", ids=[ident("c2")], kind=event_pb.EVENT_KIND_PROFILE_SET,
        number_properties={"bad": float("nan")}, string_properties={"city": "x"}, event_time_ms=9,
    )  # fmt: skip
    await profiles.consume(batch.SerializeToString())
    assert values(await profile(profiles))["big"].number_value == 9e14
    assert set(values(await profile(profiles, 2))) == {"city"}
    request = pb.RecordConsentsRequest(project_id="p", consents=[consent("w", False)])
    answer = await call(profiles.stub.RecordConsents, request)
    assert answer.results[0].status.code == 0


async def test_statements_of_the_future_are_refused_one_by_one(profiles):
    ahead = int(time.time() * 1000) + 60_000
    consents = pb.RecordConsentsRequest(
        project_id="p", consents=[consent("a", True, at=ahead), consent("b", False)]
    )
    answer = await call(profiles.stub.RecordConsents, consents)
    refused = from_status(answer.results[0].status)
    assert (refused.field, answer.results[1].status.code) == ("consents[0].event_time_ms", 0)
    rating = pb.Rating(
        rating_id="r", identifier=ident(), level=pb.RISK_LEVEL_C5, assessed_time_ms=ahead,
        expire_time_ms=ahead + 1,
    )  # fmt: skip
    ratings = pb.RecordRatingsRequest(project_id="p", ratings=[rating])
    outcome = (await call(profiles.stub.RecordRatings, ratings)).results[0]
    assert from_status(outcome.status).field == "ratings[0].assessed_time_ms"
    late = op("x", "t", SET, Value(bool_value=True), at=ahead)
    assert from_status((await apply(profiles, late)).results[0].status).field == (
        "operations[0].event_time_ms"
    )
    points = pb.SetContactPointsRequest(
        project_id="p", contact_points=[contact("c", "token", at=ahead)]
    )
    found = (await call(profiles.stub.SetContactPoints, points)).results[0]
    assert from_status(found.status).field == "contact_points[0].event_time_ms"
