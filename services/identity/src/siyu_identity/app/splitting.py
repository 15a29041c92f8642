"""Splits a person into groups that do not meet again."""

from collections.abc import Sequence
from itertools import combinations

from siyu_identity.app.desk import Desk
from siyu_identity.app.unlink import cut
from siyu_identity.domain.ident import Ident
from siyu_identity.domain.proposal import unfit
from siyu_identity.domain.resolver import anchor_of


async def split(desk: Desk, groups: Sequence[Sequence[int]], now_ms: int) -> list[int]:
    """Withdraw the evidence between the groups and keep their best identifiers apart.

    Members that no group names stay together. Returns the outbox rows that carry the changes;
    raises PreconditionFailed (OPERATION_UNFIT) when the groups are not of one person any more.
    """
    graph = desk.graph
    members = await members_of_person(desk, groups)
    group_of = {no: index for index, group in enumerate(groups) for no in group}
    rest = [no for no in members if no not in group_of]
    evidence = await graph.evidence_of(members)
    crossing = {
        pair: edge
        for pair, edge in evidence.items()
        if all(no in members for no in pair)
        and group_of.get(pair[0], -1) != group_of.get(pair[1], -1)
    }
    policy = await graph.policy()
    first_ms = {no: ident.place.first_ms for no, ident in members.items()}
    parts = [list(group) for group in groups] + ([rest] if rest else [])
    heads = [anchor_of((members[no] for no in part), first_ms, policy) for part in parts]
    await desk.ledger.part(combinations(sorted(heads), 2))
    return await cut(graph, crossing, now_ms, set(heads))


async def members_of_person(desk: Desk, groups: Sequence[Sequence[int]]) -> dict[int, Ident]:
    """All identifiers of the one person that the groups are of, and leave something of."""
    numbers = [no for group in groups for no in group]
    known = await desk.graph.numbered(numbers)
    persons = {(ident.place.component, ident.place.person_no) for ident in known.values()}
    if len(persons) != 1 or len(numbers) != len(set(numbers)) or not all(groups):
        raise unfit("the groups must be distinct identifiers of one person")
    ((component, person_no),) = persons
    everybody = await desk.graph.members([component])
    members = {no: i for no, i in everybody.items() if i.place.person_no == person_no}
    if len(groups) == 1 and len(members) == len(numbers):
        raise unfit("a split needs two groups, or some identifiers that stay")
    return members
