"""Identifiers are sealed anew under a new data key, on both databases."""

import pytest
from sqlalchemy import select, update

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.type.v1 import identifier_pb2
from siyu_identity.store.keys import KeyRing
from siyu_identity.store.resealing import reseal_identifiers
from siyu_identity.store.tables import IdentRow
from siyu_kit.clock import ManualClock
from siyu_kit.crypto.field_cipher import key_id_of
from siyu_kit.errors import DataLoss
from siyu_kit.rpc.client import call
from siyu_kit.sql.data_keys import ACTIVATION_MS, KeyKeeper
from siyu_kit.sql.upsert import table_of
from support.identity_service import KEYS, PROJECT, SECRET, identity_service

_ident = table_of(IdentRow).c
NAMES = [("customer_no", f"C910000{n}") for n in range(5)] + [("mobile", "+8613987651234")]


async def resolved(stub):
    for kind, value in NAMES:
        who = identifier_pb2.Identifier(type=kind, value=value)
        await call(stub.Resolve, pb.ResolveRequest(project_id=PROJECT, identifier=who, create=True))


async def values_of(database):
    async with database.session() as session:
        rows = await session.execute(
            select(_ident.ident_no, _ident.type, _ident.value).order_by(_ident.ident_no)
        )
        return [tuple(row) for row in rows]


async def test_every_identifier_is_sealed_anew_and_bound_to_its_number(database_url):
    clock = ManualClock(1_800_000_000_000)
    async with identity_service(database_url) as running:
        await resolved(running.stub())
        before = await values_of(running.database)
        assert {key_id_of(value) for _, _, value in before if value} == {1}
        keys = KeyRing(SECRET)
        keeper = KeyKeeper(
            running.database, keys.masters(_none()), [reseal_identifiers(keys)], clock
        )
        keys.use(keeper.keys)
        await keeper.rotate()
        await clock.advance(2 * ACTIVATION_MS / 1000)
        await keeper.reload()
        swept = await keeper.sweep()
        after = await values_of(running.database)
        assert swept == sum(1 for _, _, value in before if value) > 1
        assert {key_id_of(value) for _, _, value in after if value} == {2}
        assert await keeper.sweep() == 0
        of_project = keys.of(PROJECT)
        for (number, kind, old), (_, _, new) in zip(before, after, strict=True):
            plain = KEYS.of(PROJECT).open(number, kind, old)
            assert of_project.open(number, kind, new) == plain
            if new:
                with pytest.raises(DataLoss):
                    of_project.open(number + 1, kind, new)
                with pytest.raises(DataLoss):
                    keys.of("lab").open(number, kind, new)
        # What was erased while it was being sealed anew stays erased.
        async with running.database.transaction() as session:
            await session.execute(update(table_of(IdentRow)).values(value=b""))
        await keeper.rotate()
        await clock.advance(2 * ACTIVATION_MS / 1000)
        await keeper.reload()
        assert await keeper.sweep() == 0
        assert {value for _, _, value in await values_of(running.database)} == {b""}


def _none():
    from siyu_kit.config import Secret

    return Secret("")
