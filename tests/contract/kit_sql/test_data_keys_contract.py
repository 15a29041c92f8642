"""Data keys in the database: one for all processes, and no value that nobody can read."""

import pytest
from sqlalchemy import text

from siyu_kit.clock import ManualClock
from siyu_kit.crypto import FieldCipher
from siyu_kit.crypto.envelope import LEGACY, EnvelopeCipher, MasterKeys
from siyu_kit.errors import DataLoss, NotFound, PreconditionFailed
from siyu_kit.sql.data_keys import ACTIVATION_MS, KeyKeeper

SECRET = b"s" * 32
ACTIVE_S = ACTIVATION_MS / 1000


class Values:
    """A table of sealed values, and its sweep."""

    def __init__(self, keeper):
        self.cipher = EnvelopeCipher(keeper.keys, b"test", FieldCipher({LEGACY: b"l" * 16}, LEGACY))

    def seal(self, number, plain):
        return self.cipher.encrypt(plain, str(number).encode(), b"old")

    def open(self, number, sealed):
        return self.cipher.decrypt(sealed, str(number).encode(), b"old")

    async def reseal(self, session, after, limit):
        found = await session.execute(
            text("SELECT id, value FROM secret WHERE id > :after ORDER BY id LIMIT :most"),
            {"after": after[0] if after else 0, "most": limit},
        )
        rows, changed = found.all(), 0
        for number, sealed in rows:
            if not self.cipher.is_current(bytes(sealed)):
                fresh = self.seal(number, self.open(number, bytes(sealed)))
                await session.execute(
                    text("UPDATE secret SET value = :fresh WHERE id = :id AND value = :was"),
                    {"fresh": fresh, "id": number, "was": sealed},
                )
                changed += 1
        return (rows[-1][0],) if len(rows) == limit else None, changed


@pytest.fixture
def clock():
    return ManualClock(1_800_000_000_000)


@pytest.fixture
async def table(database):
    kind = "BYTEA" if "postgresql" in str(database.writer.url) else "BLOB"
    async with database.writer.begin() as connection:
        await connection.execute(
            text(f"CREATE TABLE secret (id INTEGER PRIMARY KEY, value {kind})")
        )


async def put(database, values, numbers):
    async with database.transaction() as session:
        for number in numbers:
            await session.execute(
                text("INSERT INTO secret VALUES (:id, :value)"),
                {"id": number, "value": values.seal(number, f"v{number}".encode())},
            )


async def stored(database):
    async with database.session() as session:
        rows = await session.execute(text("SELECT id, value FROM secret ORDER BY id"))
        return [(number, bytes(value)) for number, value in rows]


def keeper_of(database, clock, configured="", secret=SECRET):
    return KeyKeeper(database, MasterKeys.of(configured, secret), clock=clock)


async def test_a_rotation_seals_everything_anew_and_the_old_key_may_then_go(
    database, clock, table, monkeypatch
):
    monkeypatch.setattr("siyu_kit.sql.data_keys._PAGE", 7)
    keeper, replica = keeper_of(database, clock), keeper_of(database, clock)
    values, elsewhere = Values(keeper), Values(replica)
    keeper.add(values.reseal)
    await keeper.load()
    await replica.load()
    await put(database, values, range(1, 21))
    assert (await keeper.states(), keeper.keys.current) == ([], LEGACY)
    assert await keeper.sweep() == 0

    for version in (2, 3):
        made = await keeper.rotate()
        assert made.version == version
        assert keeper.keys.current == version - 1 or keeper.keys.current == LEGACY  # not yet
        with pytest.raises(PreconditionFailed):
            await keeper.rotate()
        await replica.reload()  # as it does every few seconds
        await clock.advance(ACTIVE_S)
        await keeper.reload()
        await put(database, values, [100 + version])
        # Who has not loaded the keys again knows the new one, and seals with the one before.
        for number, sealed in await stored(database):
            assert elsewhere.open(number, sealed) == f"v{number}".encode()
        await put(database, elsewhere, [200 + version])
        with pytest.raises(PreconditionFailed):
            await keeper.destroy(version)
        assert await keeper.sweep() == 0  # a slower process may still seal with the old one
        await clock.advance(ACTIVE_S)
        before = len(await stored(database))
        assert await keeper.sweep() == before - 1  # all but what had the new one already
        await put(database, elsewhere, [300 + version])  # slower than allowed: found next time
        assert await keeper.sweep() == 1
        assert await keeper.sweep() == 0
        assert (await keeper.states())[-1].swept_ms == clock.now_ms()
        await replica.reload()

    with pytest.raises(NotFound):
        await keeper.destroy(9)
    await keeper.destroy(2)
    again = await keeper.destroy(2)
    assert again.destroyed_ms == clock.now_ms()
    for number, sealed in await stored(database):
        assert values.open(number, sealed) == f"v{number}".encode()
    restarted = keeper_of(database, clock)
    await restarted.load()
    with pytest.raises(DataLoss):
        restarted.keys.key(2)


async def test_a_new_master_wraps_the_keys_and_touches_no_value(database, clock, table):
    keeper = keeper_of(database, clock)
    await keeper.load()
    await keeper.rotate()
    await clock.advance(ACTIVE_S)
    await keeper.reload()
    await put(database, Values(keeper), [1])
    before = await stored(database)
    changed = keeper_of(database, clock, "aa" * 16)
    await changed.load()
    assert await stored(database) == before
    assert Values(changed).open(*before[0]) == b"v1"
    with pytest.raises(DataLoss):  # wrapped anew: without the new master nothing opens
        await keeper_of(database, clock).load()
    with pytest.raises(DataLoss):
        await keeper_of(database, clock, "bb" * 16).load()
    with pytest.raises(DataLoss):
        await keeper_of(database, clock, secret=b"t" * 32).load()
    last = keeper_of(database, clock, f"{'cc' * 16},{'aa' * 16}")
    await last.load()
    assert Values(last).open(*before[0]) == b"v1"


async def test_keys_that_were_altered_in_the_database_are_refused(database, clock):
    keeper = keeper_of(database, clock)
    await keeper.rotate()
    await clock.advance(ACTIVE_S)
    await keeper.rotate()
    async with database.transaction() as session:  # the second's key in the first's place
        await session.execute(
            text("UPDATE kit_data_key SET wrapped ="
                 " (SELECT wrapped FROM kit_data_key WHERE version = 3) WHERE version = 2")
        )  # fmt: skip
    with pytest.raises(DataLoss):
        await keeper.load()
