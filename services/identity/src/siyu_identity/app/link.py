"""Adds evidence that somebody states."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from siyu_identity.app.ports import ChangeFeed, Graph, Graphs, Names
from siyu_identity.app.review import SubmitReviews
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import weave
from siyu_identity.domain.evidence import Edge, Identifier, Strength, link, star
from siyu_identity.domain.policy import IdTypePolicy
from siyu_kit.clock import Clock
from siyu_kit.errors import AlreadyExists, InvalidInput


class Claim(NamedTuple):
    """A statement that identifiers belong to one person."""

    evidence_id: str
    """Names the statement: said again it changes nothing, and it names no other identifiers."""
    identifiers: Sequence[Identifier]
    strength: int
    time_ms: int
    source: str = ""


class Linked(NamedTuple):
    """What came of claims."""

    sequence: int
    """That of the last change that followed; 0 when none did, or it is not known yet."""
    reused: frozenset[int]
    """Positions of the claims that were not taken: their evidence id stands for other ones."""


class LinkEvidence:
    """Links many at once, in one transaction; what is inferred goes to the review queue."""

    def __init__(
        self, graphs: Graphs, feed: ChangeFeed, clock: Clock, queue: SubmitReviews
    ) -> None:
        self._graphs = graphs
        self._queue = queue
        self._feed = feed
        self._clock = clock

    async def __call__(self, project_id: str, claims: Sequence[Claim], actor: str = "") -> Linked:
        """Take them all but those whose evidence id was used for other identifiers.

        Raises InvalidInput for a claim that ``check`` would refuse.
        """
        said = [(claim, check(claim)) for claim in claims]
        named = [(claim.evidence_id, frozenset(claim.identifiers)) for claim in claims]
        now_ms = self._clock.now_ms()

        async def work(graph: Graph) -> tuple[list[int], set[int]]:
            reused = await graph.reserve(named)
            taken = [item for at, item in enumerate(said) if at not in reused]
            statements = _statements(taken, now_ms)
            rows = (await weave(graph, statements)).rows if statements else []
            return rows, reused

        rows, reused = await transact(self._graphs, self._clock, project_id, work)
        inferred = {
            names: claim.source
            for at, (claim, pairs) in enumerate(said)
            if claim.strength == Strength.INFERRED and at not in reused
            for names in pairs
        }
        if inferred:
            # Not in one transaction with the ids: whoever is not answered says it again.
            await self._queue(project_id, inferred, actor)
        return Linked(await self._feed.sequence_of(rows), frozenset(reused))


def _statements(said: Iterable[tuple[Claim, Sequence[Names]]], now_ms: int) -> Mapping[Names, Edge]:
    """What the claims that link say of each pair."""
    statements: dict[Names, Edge] = {}
    for claim, pairs in said:
        if claim.strength == Strength.INFERRED:
            continue
        edge = link(claim.strength, min(claim.time_ms, now_ms))
        for names in pairs:
            known = statements.get(names)
            statements[names] = edge if known is None else known.join(edge)
    return statements


def reused(evidence_id: str) -> AlreadyExists:
    """The error for an evidence id that stands for other identifiers."""
    return AlreadyExists(
        "EVIDENCE_ID_REUSED",
        "the evidence_id was used for other identifiers",
        evidence_id=evidence_id,
    )


def check(claim: Claim, policy: IdTypePolicy | None = None) -> list[Names]:
    """The pairs that a claim ties together.

    Raises InvalidInput: TYPE_UNDECLARED for a type that the policy does not declare,
    EVIDENCE_EMPTY when placeholders and repetitions leave fewer than two.
    """
    strange = policy and policy.undeclared(item.type for item in claim.identifiers)
    if strange:
        raise undeclared(strange, "ids")
    pairs = star(claim.identifiers)
    if not pairs:
        raise InvalidInput(
            "EVIDENCE_EMPTY",
            "fewer than two distinct identifiers are left when placeholders are taken out",
            field="ids",
        )
    return pairs


def undeclared(identifier_type: str, field: str) -> InvalidInput:
    """The error for evidence with a type that the project's policy does not declare."""
    return InvalidInput(
        "TYPE_UNDECLARED",
        f"the project's policy does not declare the type {identifier_type}",
        field=field,
        type=identifier_type,
    )
