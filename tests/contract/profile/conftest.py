from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest_asyncio

from siyu.event.v1 import identity_change_pb2 as identity_pb
from siyu.event.v1 import profile_change_pb2 as profile_pb
from siyu.profile.v1.profile_service_pb2_grpc import (
    ProfileServiceStub,
    add_ProfileServiceServicer_to_server,
)
from siyu_kit.clock import ManualClock, SystemClock
from siyu_kit.crypto.envelope import MasterKeys
from siyu_kit.service import Servicer
from siyu_kit.sql import feed
from siyu_kit.sql.data_keys import KeyKeeper
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.outbox import Outbox
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.part_letters import PartLetters
from siyu_kit.stream.port import Entry
from siyu_kit.testing.migrated import migrated
from siyu_kit.testing.rpc import ServedRpc, serve
from siyu_profile.app.ports import Identifier, Resolution
from siyu_profile.bootstrap import MIGRATIONS
from siyu_profile.rpc.servicer import ProfileServicer
from siyu_profile.store.profile_store import SqlProfileStore
from siyu_profile.store.resealing import reseal_contact_points, reseal_documents
from siyu_profile.store.seal import AddressSeal
from siyu_profile.store.unit import SqlProfileUnit
from siyu_profile.stream.identity_feed import IdentityFeed
from siyu_profile.stream.profile_events import ProfileEvents

CAP = DeadLetterCap()


@dataclass
class ScriptedPersons:
    """Numbers identifiers in the order they come; everybody is a person of their own."""

    numbers: dict[Identifier, int] = field(default_factory=dict)
    refused: set[Identifier] = field(default_factory=set)

    async def number(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> Mapping[Identifier, Resolution]:
        wanted = [identifier for identifier in identifiers if identifier not in self.refused]
        return {identifier: self._of(identifier) for identifier in wanted}

    async def find(self, project_id: str, identifier: Identifier) -> Resolution | None:
        return self._of(identifier) if identifier in self.numbers else None

    async def find_by_id(self, project_id: str, person_id: str) -> int | None:
        return int(person_id) if int(person_id) in self.numbers.values() else None

    def _of(self, identifier: Identifier) -> Resolution:
        no = self.numbers.setdefault(identifier, len(self.numbers) + 1)
        return Resolution(no, no, f"{no:032}")


class ReadyFeed:
    """Says that every row has the number of the last outbox row."""

    async def assigned(self, outbox_rows: Sequence[int]) -> int:
        return max(outbox_rows)


@dataclass
class ProfileHarness:
    served: ServedRpc
    database: Database
    persons: ScriptedPersons
    outbox: Outbox
    stub: ProfileServiceStub
    keeper: KeyKeeper
    seal: AddressSeal
    clock: ManualClock
    """Of the keeper alone."""
    dead_lettered: list[str] = field(default_factory=list)

    async def move(self, *moves: tuple[int, int]) -> None:
        """Tell the identity feed's handler that identifiers belong to other persons."""
        batch = identity_pb.IdentityChangeBatch(project_id="p")
        for ident_no, person_no in moves:
            batch.changes.add(ident_no=ident_no, person_no=person_no, person_id=f"{person_no:032}")
        await self._handle(IdentityFeed(self._unit_on), batch.SerializeToString())

    async def split(
        self, ident_no: int, person_no: int, to: int, at: int, *, by_hand: bool = True
    ) -> None:
        """Tell it that an identifier was split from a person, on purpose or by late evidence."""
        batch = identity_pb.IdentityChangeBatch(project_id="p", commit_time_ms=at, by_hand=by_hand)
        batch.changes.add(
            ident_no=ident_no,
            from_person_no=person_no,
            person_no=to,
            person_id=f"{to:032}",
            kind=identity_pb.IDENTITY_CHANGE_KIND_SPLIT,
        )
        await self._handle(IdentityFeed(self._unit_on), batch.SerializeToString())

    async def consume(self, payload: bytes) -> None:
        """Hand a batch of events to the events handler."""
        letters = PartLetters(
            "profile", "events", self.dead_lettered.append, DeadLetterLimit(SystemClock(), CAP)
        )
        await self._handle(ProfileEvents(self.persons, self._unit_on, letters), payload)

    async def published(self) -> dict[tuple[int, str], object]:
        """The profile feed folded: (person, trait) -> value message."""
        folded: dict[tuple[int, str], object] = {}
        async with self.database.transaction() as session:
            await feed.assign(session, Feed("profile"), 10_000)
            for row in await feed.rows_after(session, Feed("profile"), 0, 10_000):
                for change in profile_pb.ProfileChangeBatch.FromString(row.payload).changes:
                    key = (change.person_no, change.trait)
                    folded.pop(key, None)
                    if change.HasField("value"):
                        folded[key] = change.value
        return folded

    def _unit_on(self, session):
        return SqlProfileUnit(session, self.outbox, SystemClock())

    async def _handle(self, handler, payload: bytes) -> None:
        async with self.database.transaction() as session:
            await handler(session, 0, [Entry("1-0", payload)])


@pytest_asyncio.fixture
async def profiles(database_url: str) -> AsyncIterator[ProfileHarness]:
    await migrated(database_url, MIGRATIONS)
    database = Database(database_url)
    outbox = Outbox()
    persons = ScriptedPersons()
    clock = ManualClock(1_800_000_000_000)
    keeper = KeyKeeper(database, MasterKeys.of("", b"k" * 32), clock=clock)
    seal = AddressSeal(b"k" * 32, keeper.keys)
    keeper.add(reseal_contact_points(seal), reseal_documents(seal))
    servicer = ProfileServicer(
        SqlProfileStore(database, outbox, SystemClock()),
        persons,
        ReadyFeed(),
        seal,
        SystemClock(),
    )
    async with serve(Servicer(add_ProfileServiceServicer_to_server, servicer)) as served:
        stub = ProfileServiceStub(served.channel("steward", "service", projects=["p"]))
        yield ProfileHarness(served, database, persons, outbox, stub, keeper, seal, clock)
    await database.aclose()
