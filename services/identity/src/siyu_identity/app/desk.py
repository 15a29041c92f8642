"""What stewards' use cases need: the graph, and what they lay down about identifiers beside it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from siyu_identity.app.ports import Graph, Transactions
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.proposal import Proposal, State
from siyu_identity.domain.review import Review, ReviewState
from siyu_identity.domain.run import Run


class Ledger(Protocol):
    """What is laid down by hand."""

    async def part(self, pairs: Iterable[Pair]) -> None:
        """Pairs that no person may hold both ends of, from now on."""
        ...

    async def unpart(self, pair: Pair) -> bool:
        """Lift one again; False when it was not there."""
        ...

    async def flag(self, number: int, add: Flag = Flag.NONE, remove: Flag = Flag.NONE) -> None:
        """Change what is laid down about an identifier."""
        ...

    async def blank(self, number: int) -> bytes:
        """Erase an identifier's value and its person id; the new, random one is returned."""
        ...

    async def forget(self, number: int) -> None:
        """Erase evidence, conflicts, reviews and history of an identifier."""
        ...

    async def block(self, numbers: Iterable[int], policy: IdTypePolicy) -> None:
        """Set the flags of identifiers as the policy's block-list has it."""
        ...

    async def hold_policy(self) -> int:
        """The version of the policy that holds; no other one does before the commit."""
        ...

    async def activate(self, policy: IdTypePolicy) -> int:
        """Keep a new version and make it hold; its number."""
        ...


class Proposals(Protocol):
    """The proposals of one project."""

    async def earlier(self, request_id: str, content: bytes) -> Proposal | None:
        """What an earlier request with this id led to.

        Raises AlreadyExists when the id was used with other content, InvalidInput for a bad one.
        """
        ...

    async def add(self, proposal: Proposal, request_id: str, content: bytes) -> None:
        """Keep a new one."""
        ...

    async def get(self, proposal_id: str) -> Proposal:
        """One, locked until the commit; raises NotFound (PROPOSAL_UNKNOWN)."""
        ...

    async def put(self, proposal: Proposal) -> None:
        """Keep what was decided."""
        ...

    async def page(self, state: State | None, before: str, limit: int) -> list[Proposal]:
        """The latest first, those with an id smaller than ``before`` (empty: all)."""
        ...


class Reviews(Protocol):
    """The inferred links of one project."""

    async def submit(self, reviews: Sequence[Review]) -> None:
        """Keep new ones; those that are there already stay as they are."""
        ...

    async def get(self, pair: Pair) -> Review:
        """One, locked until the commit; raises NotFound (REVIEW_UNKNOWN)."""
        ...

    async def put(self, review: Review) -> None:
        """Keep what was decided."""
        ...

    async def page(self, state: ReviewState, after: Pair, limit: int) -> list[Review]:
        """In the order of their numbers, those after a pair."""
        ...


class Runs(Protocol):
    """The runs of one project."""

    async def start(self, run: Run, request_id: str, content: bytes) -> Run:
        """Keep a new run, or give the one that an earlier request with this id started."""
        ...

    async def get(self, run_id: str) -> Run:
        """One; raises NotFound (RUN_UNKNOWN)."""
        ...

    async def put(self, run: Run) -> None:
        """Keep how far it is."""
        ...


class Desk(NamedTuple):
    """All of it in one transaction."""

    graph: Graph
    ledger: Ledger
    proposals: Proposals
    reviews: Reviews
    runs: Runs


class Desks(Transactions[Desk], Protocol):
    """Opens desks."""

    def snapshot(self, project_id: str) -> AbstractAsyncContextManager[Desk]:
        """A desk to read from, as it stood at one moment."""
        ...
