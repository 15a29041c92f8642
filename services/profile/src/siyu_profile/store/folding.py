"""Folding persons again: lock, load, fold, write what changed, announce it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1 import profile_change_pb2 as feed_pb
from siyu_kit.sql.outbox import OutboxMessage
from siyu_kit.sql.upsert import table_of, upsert
from siyu_kit.telemetry import inject
from siyu_profile.domain.profile import EMPTY, Change, changes, fold
from siyu_profile.domain.traits import TraitState
from siyu_profile.messages import published, to_document, to_value
from siyu_profile.store.facts import chunked, load_facts
from siyu_profile.store.people import members_of
from siyu_profile.store.tables import ProfileRow

#: Changes in one message of the feed.
_BATCH = 5_000


@dataclass(frozen=True)
class PersonChange:
    """One published change of one person."""

    person_no: int
    change: Change


async def refold(
    session: AsyncSession, project_id: str, person_nos: set[int]
) -> list[PersonChange]:
    """Write the profiles that these persons' facts make now; what others must be told."""
    before = await _locked(session, project_id, person_nos)
    person_of = await members_of(session, project_id, person_nos)
    facts = await load_facts(session, project_id, person_of)
    told: list[PersonChange] = []
    rows: list[dict[str, object]] = []
    for person_no in sorted(person_nos):
        profile = fold(facts[person_no]) if person_no in facts else EMPTY
        document = to_document(profile)
        version, old = before[person_no]
        if document == old:
            continue
        rows.append({"b_person": person_no, "b_version": version + 1, "b_document": document})
        told += _differences(person_no, published(old), profile.published())
    if rows:
        c = table_of(ProfileRow).c
        statement = (
            update(table_of(ProfileRow))
            .where(c.project_id == project_id, c.person_no == bindparam("b_person"))
            .values(version=bindparam("b_version"), document=bindparam("b_document"))
        )
        connection = await session.connection()
        await connection.execute(statement, rows)
    return told


def feed_messages(
    project_id: str, told: Sequence[PersonChange], commit_time_ms: int
) -> Iterator[OutboxMessage]:
    """The changes as messages of the feed."""
    for start in range(0, len(told), _BATCH):
        part = told[start : start + _BATCH]
        batch = feed_pb.ProfileChangeBatch(project_id=project_id, commit_time_ms=commit_time_ms)
        for item in part:
            added = batch.changes.add(person_no=item.person_no, trait=item.change.name)
            if item.change.state is not None:
                added.value.CopyFrom(to_value(item.change.state.value))
                added.valid_from_ms = item.change.state.valid_from_ms
        yield OutboxMessage(project_id, batch.SerializeToString(), count=len(part), trace=inject())


def _differences(
    person_no: int, before: Mapping[str, TraitState], after: Mapping[str, TraitState]
) -> Iterator[PersonChange]:
    for change in changes(before, after):
        yield PersonChange(person_no, change)


async def _locked(
    session: AsyncSession, project_id: str, person_nos: set[int]
) -> dict[int, tuple[int, bytes]]:
    """Version and document by person; the rows are ours, in ascending order, until the end."""
    ordered = sorted(person_nos)
    rows = [
        {"project_id": project_id, "person_no": person_no, "version": 0, "document": b""}
        for person_no in ordered
    ]
    await upsert(session, ProfileRow, rows, key=["project_id", "person_no"])
    c = table_of(ProfileRow).c
    found: dict[int, tuple[int, bytes]] = {}
    for part in chunked(session, ordered):
        locked = await session.execute(
            select(c.person_no, c.version, c.document)
            .where(c.project_id == project_id, c.person_no.in_(part))
            .order_by(c.person_no)
            .with_for_update()
        )
        found.update((person_no, (version, document)) for person_no, version, document in locked)
    return found
