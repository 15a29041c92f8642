"""What an approved proposal does to the graph."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from siyu_identity.app.desk import Desk
from siyu_identity.app.hold import hold
from siyu_identity.app.ports import Outcome
from siyu_identity.app.splitting import split
from siyu_identity.app.unlink import cut, evidence_between
from siyu_identity.app.weave import restate
from siyu_identity.domain.changes import Change, Why
from siyu_identity.domain.evidence import Strength, link
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.proposal import Kind, Operation, unfit

Work = Callable[[Desk, Operation, int], Awaitable[list[int]]]
"""Desk, operation and the time -> outbox rows that carry the changes."""


async def carry_out(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    """Do it in the desk's transaction; raises PreconditionFailed when the graph has moved on."""
    # Before anything is written: rows are locked in the order of their components.
    await hold(desk.graph, (await desk.graph.numbered(operation.numbers)).values())
    return await _WORK[operation.kind](desk, operation, now_ms)


async def _unlink(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    left, right = (*operation.numbers, 0)[:2]
    edges = await evidence_between(desk.graph, left, right)
    return await cut(desk.graph, edges, now_ms, set())


async def _link(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    return await restate(desk.graph, {_pair(operation): link(Strength.STEWARD, now_ms)})


async def _split(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    return await split(desk, operation.groups, now_ms)


async def _cannot_link(desk: Desk, operation: Operation, _now_ms: int) -> list[int]:
    pair = _pair(operation)
    if operation.reverse:
        if not await desk.ledger.unpart(pair):
            raise unfit("the two identifiers are not kept apart")
    else:
        await desk.ledger.part([pair])
    return await restate(desk.graph, {}, set(pair))


async def _retire(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    graph, (old, successor) = desk.graph, operation.numbers
    pair = _pair(operation)
    idents = await graph.numbered(pair)
    retired = bool(idents[old].flags & Flag.RETIRED)
    if retired != operation.reverse or idents[successor].flags & Flag.RETIRED:
        raise unfit("the identifier, or the one to take its place, was retired otherwise")
    evidence = await graph.evidence_of([old])
    # It counts as an owner no more, or again: who is shared with it may change its quarantine.
    near = await graph.numbered({no for ends in evidence for no in ends})
    stirred = {no for no, ident in near.items() if ident.place.quarantined} | set(pair)
    if operation.reverse:
        await desk.ledger.flag(old, remove=Flag.RETIRED)
        known = await graph.edges([pair])
        return await cut(graph, known, now_ms, stirred | set(near))
    await desk.ledger.flag(old, add=Flag.RETIRED)
    return await restate(graph, {pair: link(Strength.STEWARD, now_ms)}, stirred | set(near))


async def _erase(desk: Desk, operation: Operation, now_ms: int) -> list[int]:
    graph, (number,) = desk.graph, operation.numbers
    # First the keys: what the feed tells of its leaving must not carry the old person id.
    key = await desk.ledger.blank(number)
    edges = await graph.evidence_of([number])
    rows = await cut(graph, edges, now_ms, {number})
    await desk.ledger.flag(number, add=Flag.ERASED)
    await desk.ledger.forget(number)
    (ident,) = (await graph.numbered([number])).values()
    change = Change(number, number, number, key, Why.ERASED, ident.type)
    return rows + await graph.save(Outcome(changes=[change], unlinked=True))


def _pair(operation: Operation) -> Pair:
    left, right = operation.numbers
    return (left, right) if left < right else (right, left)


_WORK: Final[Mapping[Kind, Work]] = {
    Kind.UNLINK: _unlink,
    Kind.LINK: _link,
    Kind.SPLIT: _split,
    Kind.CANNOT_LINK: _cannot_link,
    Kind.RETIRE: _retire,
    Kind.ERASE: _erase,
}
