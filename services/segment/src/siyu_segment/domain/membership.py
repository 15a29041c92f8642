"""Who is in a segment, and who entered and left between two runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pyroaring import BitMap

#: Persons in one message of the feed.
CHUNK: Final = 10_000


class Cause(IntEnum):
    """Why memberships changed; the numbers are those of the contract."""

    REFRESH = 1
    DEFINITION = 2


class RunState(IntEnum):
    """State of a run; the numbers are those of the contract."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3


@dataclass(frozen=True)
class EvaluationKey:
    """What a membership is a function of."""

    definition_digest: str = ""
    as_of_time_ms: int = 0
    batch_no: int = 0
    identity_sequence: int = 0
    profile_sequence: int = 0
    result_digest: str = ""

    def covers(self, other: "EvaluationKey") -> bool:
        """Whether nothing that ``other`` saw is missing here: no time, no data, no person."""
        return (
            self.as_of_time_ms >= other.as_of_time_ms
            and self.batch_no >= other.batch_no
            and self.identity_sequence >= other.identity_sequence
            and self.profile_sequence >= other.profile_sequence
        )


@dataclass(frozen=True)
class Run:
    """One evaluation of one version. Times are milliseconds UTC, ``end_time_ms`` 0 before it."""

    project_id: str
    run_id: str
    segment_id: str
    version: int
    state: RunState
    start_time_ms: int
    end_time_ms: int = 0
    key: EvaluationKey = EvaluationKey()
    size: int = 0
    entered: int = 0
    left: int = 0
    cause: Cause = Cause.REFRESH
    failure: str = ""
    trace: str | None = None
    """Traceparent of the refresh that made it."""


@dataclass(frozen=True)
class Difference:
    """Numbers of the persons who entered and left, ascending."""

    entered: Sequence[int]
    left: Sequence[int]


def difference(before: BitMap, after: BitMap) -> Difference:
    """What changed from one membership to the next."""
    return Difference(list(after - before), list(before - after))


def cause_of(previous_version: int | None, version: int) -> Cause:
    """A first run, or one of another version than the last, reports the definition."""
    return Cause.REFRESH if previous_version == version else Cause.DEFINITION


def chunks(change: Difference, size: int = CHUNK) -> Iterator[Difference]:
    """The change in messages of at most ``size`` entered and ``size`` left."""
    longest = max(len(change.entered), len(change.left))
    for start in range(0, longest, size):
        stop = start + size
        yield Difference(change.entered[start:stop], change.left[start:stop])


def page_of(members: BitMap, after: int, size: int) -> tuple[list[int], int]:
    """Up to ``size`` members above ``after``, and the cursor of the next page, 0 at the end."""
    start = members.rank(after) if after else 0
    page = list(members[start : start + size])
    more = start + len(page) < len(members)
    return page, page[-1] if more else 0
