"""Records facts about persons: number the identifiers, add the facts, fold whom they touch."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from siyu_kit.errors import AlreadyExists, Conflict, InvalidInput
from siyu_kit.failpoints import failpoint
from siyu_profile.app.ports import (
    Feed,
    Identifier,
    Outcome,
    Persons,
    ProfileStore,
    ProfileUnit,
    Resolution,
)
from siyu_profile.domain.consents import Consent
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import TraitOperation

F = TypeVar("F", TraitOperation, Consent, Rating, ContactPoint)
Add = Callable[[ProfileUnit, str, Sequence[F]], Awaitable[set[str] | None]]


_ATTEMPTS = 4


class PersonsMoved(Conflict):
    """Identifiers moved to other persons while their facts were written."""

    def __init__(self) -> None:
        super().__init__("PERSONS_MOVED", "persons moved while facts were written; send it again")


async def record_facts(
    store: ProfileStore,
    persons: Persons,
    project_id: str,
    facts: Sequence[tuple[Identifier, F]],
    add: Add[F],
) -> Outcome:
    """Add facts whose ``ident_no`` is still 0; those of identifiers without a number are left out.

    Numbering happens before the transaction: a peer is never called while rows are locked.
    """
    resolved = await persons.number(project_id, sorted({identifier for identifier, _ in facts}))
    failpoint("profile.after_number")
    unnumbered = frozenset(identifier for identifier, _ in facts if identifier not in resolved)
    facts = [(identifier, fact) for identifier, fact in facts if identifier in resolved]
    if not facts:
        return Outcome(frozenset(), (), unnumbered)
    numbered = [_numbered(fact, resolved[identifier]) for identifier, fact in facts]
    used = sorted({resolved[identifier] for identifier, _ in facts}, key=lambda r: r.ident_no)
    for attempt in range(_ATTEMPTS):
        try:
            outcome = await _write(store, project_id, numbered, used, add)
            return replace(outcome, unnumbered=unnumbered)
        except PersonsMoved:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the loop returns or raises")


async def _write(
    store: ProfileStore,
    project_id: str,
    facts: Sequence[F],
    used: Sequence[Resolution],
    add: Add[F],
) -> Outcome:
    async with store.transaction() as unit:
        reused = await add(unit, project_id, facts)
        person_nos = await unit.persons_of(project_id, used)
        rows = await unit.refold(project_id, person_nos)
        # Folding locks the persons; one that an identifier moved to meanwhile was not folded.
        if await unit.persons_of(project_id, used) != person_nos:
            raise PersonsMoved
        failpoint("profile.before_commit")
    failpoint("profile.after_commit")
    return Outcome(frozenset(reused or ()), rows)


async def sequence_of(feed: Feed, outcome: Outcome) -> int:
    """The feed's sequence after an outcome, 0 when nothing changed."""
    return await feed.assigned(outcome.outbox_rows) if outcome.outbox_rows else 0


def key_reused(key: str) -> AlreadyExists:
    """The refusal of a fact whose natural key was used with other content."""
    return AlreadyExists("KEY_REUSED", "the key was used with other content", key=key)


def identifier_refused(at: str) -> InvalidInput:
    """The refusal of a fact about an identifier that gets no number."""
    return InvalidInput("FIELD_INVALID", "the project does not number this identifier", field=at)


def _numbered(fact: F, resolution: Resolution) -> F:
    return replace(fact, ident_no=resolution.ident_no)
