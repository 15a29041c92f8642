"""One transaction on the profile database."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.clock import Clock
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.upsert import upsert
from siyu_kit.stream.topics import PROFILE
from siyu_profile.app.ports import Move, Resolution
from siyu_profile.domain.consents import Consent
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import TraitOperation
from siyu_profile.store import facts, parting, people
from siyu_profile.store.folding import feed_messages, refold
from siyu_profile.store.tables import (
    ConsentRow,
    ContactPointRow,
    RatingRow,
    TraitOperationRow,
)


class SqlProfileUnit:
    """Writes inside one open session; see ``ports.ProfileUnit``."""

    def __init__(self, session: AsyncSession, outbox: Outbox, clock: Clock) -> None:
        self._session = session
        self._outbox = outbox
        self._clock = clock

    async def add_operations(self, project_id: str, facts_: Sequence[TraitOperation]) -> set[str]:
        rows = [facts.operation_row(fact) for fact in facts_]
        return await facts.add_facts(self._session, TraitOperationRow, project_id, rows)

    async def add_consents(self, project_id: str, facts_: Sequence[Consent]) -> set[str]:
        rows = [facts.consent_row(fact) for fact in facts_]
        return await facts.add_facts(self._session, ConsentRow, project_id, rows)

    async def add_ratings(self, project_id: str, facts_: Sequence[Rating]) -> set[str]:
        rows = [facts.rating_row(fact) for fact in facts_]
        return await facts.add_facts(self._session, RatingRow, project_id, rows)

    async def put_contacts(self, project_id: str, facts_: Sequence[ContactPoint]) -> None:
        latest: dict[str, ContactPoint] = {}
        for fact in facts_:
            kept = latest.setdefault(fact.contact_point_id, fact)
            if fact.event_time_ms >= kept.event_time_ms:
                latest[fact.contact_point_id] = fact
        rows = [facts.contact_row(project_id, fact) for fact in latest.values()]
        await upsert(
            self._session,
            ContactPointRow,
            rows,
            key=["project_id", "contact_point_id"],
            update=facts.CONTACT_COLUMNS,
            where=lambda stored, incoming: stored.event_time_ms <= incoming.event_time_ms,
        )

    async def move(self, project_id: str, moves: Sequence[Move]) -> set[int]:
        held = await parting.held_together(self._session, project_id, moves)
        touched = await people.follow(self._session, project_id, moves)
        if held:
            copies = await parting.copies(self._session, project_id, held)
            await self.add_consents(project_id, copies)
            touched |= {copy.ident_no for copy in copies}
        return touched

    async def persons_of(self, project_id: str, resolved: Sequence[Resolution]) -> set[int]:
        return await people.present_persons(self._session, project_id, resolved)

    async def refold(self, project_id: str, person_nos: set[int]) -> list[int]:
        if not person_nos:
            return []
        told = await refold(self._session, project_id, person_nos)
        messages = list(feed_messages(project_id, told, self._clock.now_ms()))
        return await self._outbox.add_many(self._session, PROFILE.name, messages)
