"""Reads whole projects, page by page in one snapshot."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.policy import ANY_TYPE, IdTypePolicy, Limit, Refusal
from siyu_identity.domain.run import Run
from siyu_identity.domain.world import World
from siyu_identity.store.keys import KeyRing, ProjectKeys
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.runs import oldest_running
from siyu_identity.store.tables import ApartRow, ConflictRow, EvidenceRow, IdentRow
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import table_of

_PAGE: Final = 20_000
_ident = table_of(IdentRow).c
_evidence = table_of(EvidenceRow).c
_apart = table_of(ApartRow).c
_conflict = table_of(ConflictRow).c


class SqlSurvey:
    """Reads from snapshots."""

    def __init__(self, database: Database, keys: KeyRing, policies: PolicyBook) -> None:
        self._database = database
        self._keys = keys
        self._policies = policies

    async def pending(self) -> tuple[str, Run] | None:
        async with self._database.session() as session:
            return await oldest_running(session)

    async def policy(self, project_id: str) -> IdTypePolicy:
        async with self._database.session() as session:
            return await self._policies.active(session, project_id)

    async def get(self, project_id: str, version: int | None) -> IdTypePolicy:
        if version is None:
            return await self.policy(project_id)
        async with self._database.session() as session:
            return await self._policies.version(session, project_id, version)

    async def world(self, project_id: str) -> World:
        world = World()
        async with self._database.session() as session:
            await _read_identifiers(session, project_id, world)
            await _read_links(session, project_id, world)
            rows = await session.execute(
                select(_apart.left_no, _apart.right_no).where(_apart.project_id == project_id)
            )
            world.apart = {(left, right) for left, right in rows}
            refused = await session.execute(
                select(
                    _conflict.left_no, _conflict.right_no, _conflict.reason, _conflict.detail
                ).where(_conflict.project_id == project_id)
            )
            world.conflicts = {(row[0], row[1]): Refusal(Limit(row[2]), row[3]) for row in refused}
        return world

    async def blocked(self, project_id: str, policy: IdTypePolicy) -> set[int]:
        keys, found = self._keys.of(project_id), set[int]()
        hidden = hidden_lookups(keys, policy)
        async with self._database.session() as session:
            pages = await session.stream(
                select(_ident.ident_no, _ident.type, _ident.value, _ident.lookup)
                .where(_ident.project_id == project_id)
                .execution_options(yield_per=_PAGE)
            )
            async for page in pages.partitions():
                found.update(blocked_among(page, keys, policy, hidden))
        return found


def hidden_lookups(keys: ProjectKeys, policy: IdTypePolicy) -> set[bytes]:
    """The blind indexes of what is blocked: values that are not kept are found by them."""
    wanted: set[bytes] = set()
    for kind, value in policy.blocked:
        types = list(policy.types) if kind == ANY_TYPE else [kind]
        for form in {value, value.upper()}:
            wanted.update(keys.lookup(Identifier(name, form)) for name in types)
    return wanted


def blocked_among(
    rows: Iterable[Any], keys: ProjectKeys, policy: IdTypePolicy, hidden: set[bytes]
) -> Iterable[int]:
    """The numbers of those on the block-list, or of a type that the policy does not declare."""
    for number, kind, value, lookup in rows:
        if (
            kind not in policy.types
            or lookup in hidden
            or (policy.blocked and value and _blocked(policy, keys.open(number, kind, value)))
        ):
            yield number


def _blocked(policy: IdTypePolicy, identifier: Identifier) -> bool:
    return policy.is_blocked(identifier.type, identifier.value)


async def _read_identifiers(session: AsyncSession, project_id: str, world: World) -> None:
    pages = await session.stream(
        select(_ident.type, _ident.person_key, _ident.flags, _ident.person_no, _ident.quarantined)
        .where(_ident.project_id == project_id)
        .order_by(_ident.ident_no)
        .execution_options(yield_per=_PAGE)
    )
    async for page in pages.partitions():
        types, keys, flags, persons, quarantined = zip(*page, strict=True)
        world.add_identifiers(types, keys, flags, persons, quarantined)


async def _read_links(session: AsyncSession, project_id: str, world: World) -> None:
    pages = await session.stream(
        select(
            _evidence.left_no, _evidence.right_no, _evidence.strength,
            _evidence.first_ms, _evidence.linked_ms, _evidence.unlinked_ms,
        )
        .where(_evidence.project_id == project_id)
        .execution_options(yield_per=_PAGE)
    )  # fmt: skip
    async for page in pages.partitions():
        world.add_links(page)
