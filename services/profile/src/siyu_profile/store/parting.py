"""When a person is split, what it had withdrawn stays withdrawn on every side."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_profile.app.ports import Move
from siyu_profile.domain.consents import Consent, fold_consents, kept_apart
from siyu_profile.store.facts import load_consents
from siyu_profile.store.people import members_of, persons_by_ident


@dataclass(frozen=True, slots=True)
class Held:
    """A person that is about to be split, with what it has withdrawn."""

    idents: Sequence[int]
    withdrawn: Sequence[Consent]
    commit_time_ms: int


async def held_together(
    session: AsyncSession, project_id: str, moves: Iterable[Move]
) -> list[Held]:
    """The persons that somebody leaves with these moves; call it before they are followed."""
    left = {move.from_person_no: move.commit_time_ms for move in moves if move.parted}
    if not left:
        return []
    together: defaultdict[int, list[int]] = defaultdict(list)
    for ident_no, person_no in (await members_of(session, project_id, left)).items():
        together[person_no].append(ident_no)
    held = []
    for person_no, idents in together.items():
        decided = fold_consents(await load_consents(session, project_id, idents))
        withdrawn = [consent for consent in decided.values() if not consent.granted]
        if withdrawn:
            held.append(Held(idents, withdrawn, left[person_no]))
    return held


async def copies(session: AsyncSession, project_id: str, held: Iterable[Held]) -> list[Consent]:
    """The withdrawals that sides lack; call it after the moves were followed."""
    found: dict[str, Consent] = {}
    for person in held:
        sides = await persons_by_ident(session, project_id, person.idents)
        for side in sorted(set(sides.values())):
            members = await members_of(session, project_id, [side])
            own = fold_consents(await load_consents(session, project_id, list(members)))
            for copy in kept_apart(person.withdrawn, own, side, person.commit_time_ms):
                found[copy.consent_id] = copy
    return list(found.values())
