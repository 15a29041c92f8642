"""Addresses are sealed anew under a new data key, in contact points and in folded documents."""

import pytest
from sqlalchemy import select

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.type.v1 import identifier_pb2
from siyu_kit.crypto.field_cipher import key_id_of
from siyu_kit.errors import DataLoss
from siyu_kit.rpc.client import call
from siyu_kit.sql.data_keys import ACTIVATION_MS
from siyu_kit.sql.upsert import table_of
from siyu_profile.messages import sealed_addresses
from siyu_profile.store.tables import ContactPointRow, ProfileRow

_point, _profile = table_of(ContactPointRow).c, table_of(ProfileRow).c


async def state(profiles, *points):
    request = pb.SetContactPointsRequest(project_id="p")
    for key, who, address, at in points:
        request.contact_points.add(
            contact_point_id=key,
            identifier=identifier_pb2.Identifier(type="customer_no", value=who),
            type="push_token",
            address=address,
            event_time_ms=at,
        )
    answer = await call(profiles.stub.SetContactPoints, request)
    assert all(result.status.code == 0 for result in answer.results)


async def sealed(profiles):
    """Contact points and the addresses in documents, as they lie in the database."""
    async with profiles.database.session() as session:
        rows = await session.execute(select(_point.contact_point_id, _point.sealed_address))
        points = {point: bytes(value) for point, value in rows}
        documents = [
            sealed_addresses(bytes(row))
            for row in (await session.execute(select(_profile.document))).scalars()
        ]
    return points, {point: value for found in documents for point, value in found.items()}


async def rotate(profiles):
    await profiles.keeper.rotate()
    await profiles.clock.advance(2 * ACTIVATION_MS / 1000)
    await profiles.keeper.reload()
    return await profiles.keeper.sweep()


async def facts(profiles, person_no):
    request = pb.GetSendFactsRequest(
        project_id="p", person_nos=[person_no], channel="push", purpose="marketing"
    )
    (found,) = (await call(profiles.stub.GetSendFacts, request)).facts
    return found.address, found.address_key, found.version


async def test_addresses_have_the_new_key_and_versions_stay(profiles):
    await state(profiles, ("a", "C1", "token-a", 1), ("b", "C2", "token-b", 1))
    points, documents = await sealed(profiles)
    assert points == documents
    assert {key_id_of(value) for value in points.values()} == {1}
    before = [await facts(profiles, person) for person in (1, 2)]
    assert [address for address, _, _ in before] == ["token-a", "token-b"]

    assert await rotate(profiles) == 4  # two contact points, two documents
    again, anew = await sealed(profiles)
    assert again == anew  # the document has the contact point's own ciphertext
    assert {key_id_of(value) for value in again.values()} == {2}
    assert [await facts(profiles, person) for person in (1, 2)] == before
    assert await profiles.keeper.sweep() == 0

    # Folding again finds no difference: nobody is told of a change that was none.
    await profiles.move((1, 1))
    assert [await facts(profiles, person) for person in (1, 2)] == before
    await state(profiles, ("a", "C1", "token-new", 2))
    assert (await facts(profiles, 1))[0] == "token-new"
    assert await rotate(profiles) == 4
    assert await profiles.keeper.sweep() == 0
    await profiles.keeper.destroy(2)
    assert (await facts(profiles, 1))[0] == "token-new"


async def test_an_address_opens_in_its_own_place_only(profiles):
    await state(profiles, ("a", "C1", "token-a", 1), ("b", "C2", "token-b", 1))
    await rotate(profiles)
    points, _ = await sealed(profiles)
    assert profiles.seal.open("p", "a", points["a"]) == "token-a"
    for project, point in (("p", "b"), ("q", "a")):
        with pytest.raises(DataLoss):
            profiles.seal.open(project, point, points["a"])
