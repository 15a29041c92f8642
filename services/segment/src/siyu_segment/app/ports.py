"""What the use cases need from the outside."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pyroaring import BitMap

from siyu_segment.domain.membership import Difference, EvaluationKey, Run
from siyu_segment.domain.segment import Definition, Segment


@dataclass(frozen=True)
class AsOf:
    """When a condition is evaluated and how fresh the data must be; 0 asks nothing."""

    time_ms: int = 0
    min_batch_no: int = 0
    min_identity_sequence: int = 0
    min_profile_sequence: int = 0


@dataclass(frozen=True)
class Audience:
    """The persons for whom a condition holds, and what that is a function of."""

    members: BitMap
    population: int
    key: EvaluationKey


@dataclass(frozen=True)
class Explanation:
    """How a condition came out for one person; ``nodes`` are the contract's own messages."""

    member: bool
    nodes: Sequence[Any]
    key: EvaluationKey


class AudienceSource(Protocol):
    """Evaluates conditions: the analytics service."""

    async def evaluate(self, project_id: str, definition: Definition, as_of: AsOf) -> Audience:
        """The persons for whom the condition holds; raises the peer's errors."""
        ...

    async def explain(
        self, project_id: str, definition: Definition, person_no: int, as_of: AsOf
    ) -> Explanation:
        """How the condition comes out for one person."""
        ...


@dataclass(frozen=True)
class Page:
    """A page of segments by creation, after a cursor; ``next_cursor`` empty at the end."""

    segments: Sequence[Segment]
    next_cursor: str


@dataclass(frozen=True)
class FeedRow:
    """One numbered message of the feed; ``payload`` is a serialized MembershipChangeBatch."""

    sequence: int
    payload: bytes


@dataclass(frozen=True)
class FeedPage:
    """Rows of one project, and the sequence up to which all was seen."""

    rows: Sequence[FeedRow]
    next_sequence: int
    more: bool


class SegmentUnit(Protocol):
    """One transaction on the store. Rows read with ``lock`` stay ours until it ends."""

    async def earlier(
        self, project_id: str, method: str, request_id: str, content: bytes
    ) -> str | None:
        """What an earlier request with this id led to; see ``siyu_kit.sql.request_keys``."""
        ...

    async def remember(
        self, project_id: str, method: str, request_id: str, content: bytes, result: str, at_ms: int
    ) -> bool:
        """Keep what this request led to; False when another one was kept first."""
        ...

    async def segment(self, project_id: str, segment_id: str, *, lock: bool = False) -> Segment:
        """The segment at its latest version, or NotFound."""
        ...

    async def add_segment(self, segment: Segment) -> None:
        """Insert a new segment with its first version; AlreadyExists when the name is taken."""
        ...

    async def save_segment(self, segment: Segment, *, new_version: bool) -> None:
        """Write a changed segment, and its version if that is new."""
        ...

    async def run(self, project_id: str, run_id: str) -> Run:
        """The run, or NotFound."""
        ...

    async def add_run(self, run: Run) -> None:
        """Insert a run that starts."""
        ...

    async def end_run(self, run: Run, members: BitMap | None) -> None:
        """Write how a run ended, with its members if it succeeded."""
        ...

    async def members(self, project_id: str, run_id: str) -> BitMap:
        """Members of a run that succeeded; empty for an empty id."""
        ...

    async def announce(self, run: Run, change: Difference) -> None:
        """Append who entered and left to the feed."""
        ...


class SegmentStore(Protocol):
    """The service's own database."""

    def transaction(self) -> AbstractAsyncContextManager[SegmentUnit]:
        """A unit that commits when the block ends and rolls back when it raises."""
        ...

    async def version(self, project_id: str, segment_id: str, version: int) -> Segment:
        """The segment as it is, with the definition of an older version, or NotFound."""
        ...

    async def list(self, project_id: str, after: str, size: int) -> Page:
        """Segments by creation after a cursor."""
        ...

    async def changes(
        self, project_id: str, segment_id: str, after_sequence: int, size: int
    ) -> FeedPage:
        """Rows of the feed after a sequence; an empty ``segment_id`` takes all segments."""
        ...
