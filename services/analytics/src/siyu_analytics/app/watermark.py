"""How far the store has read, and waiting until it is far enough."""

from dataclasses import dataclass
from typing import Final

from siyu_analytics.app.ports import Freshness, Snapshot
from siyu_analytics.app.projection_ports import MutablePersonMap, Progress, ProgressStore
from siyu_kit.clock import Clock
from siyu_kit.errors import DependencyDown

_LOOK_S: Final = 0.02
_SAY_SO_S: Final = 0.2
_SAY_SO_MOST_S: Final = 0.5
_REMEMBERED: Final = 1_000
_COUNT_REST: Final = 10
"""Counting persons reads the population: it rests this many times as long as it took."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """The answer of GetWatermark."""

    snapshot: Snapshot
    events: int
    duplicates: int
    persons: int


@dataclass(frozen=True, slots=True)
class _Counted:
    """Persons of a project, counted at an identity sequence."""

    persons: int
    sequence: int
    again_at: float


class LiveWatermarks:
    """``Watermarks``: the database says how far all is, the person map what it holds."""

    def __init__(self, store: ProgressStore, persons: MutablePersonMap, clock: Clock) -> None:
        self._store = store
        self._persons = persons
        self._clock = clock
        self._counted: dict[str, _Counted] = {}

    async def snapshot(self, project_id: str) -> Snapshot:
        return await self._snapshot(project_id, await self._store.progress(project_id), 0)

    async def wait(self, project_id: str, freshness: Freshness, deadline: float) -> Snapshot:
        now = self._clock.monotonic()
        give_up_at = deadline - _time_to_say_so(deadline - now)
        while True:
            progress = await self._store.progress(project_id)
            lag = _lag(progress, freshness)
            if lag is None:
                needed = freshness.min_identity_sequence
                return await self._snapshot(project_id, progress, needed)
            if self._clock.monotonic() + _LOOK_S >= give_up_at:
                what, asked, reached = lag
                raise DependencyDown(
                    "NOT_FRESH",
                    f"{what} {asked} is not reached yet",
                    what=what,
                    asked=str(asked),
                    reached=str(reached),
                )
            await self._clock.sleep(_LOOK_S)

    async def read(self, project_id: str) -> Watermark:
        """The state with the project's counts; persons a moment ago while many come in."""
        snapshot = await self.snapshot(project_id)
        counts = await self._store.counts(project_id)
        persons = await self._count(project_id, snapshot.identity_sequence)
        return Watermark(snapshot, counts.events, counts.duplicates, persons)

    async def _count(self, project_id: str, sequence: int) -> int:
        started = self._clock.monotonic()
        last = self._counted.get(project_id)
        if last is not None and (last.sequence == sequence or started < last.again_at):
            return last.persons
        persons = await self._persons.persons(project_id)
        ended = self._clock.monotonic()
        again_at = ended + _COUNT_REST * (ended - started)
        if len(self._counted) >= _REMEMBERED:  # a caller may name projects that are not there
            del self._counted[next(iter(self._counted))]
        self._counted[project_id] = _Counted(persons, sequence, again_at)
        return persons

    async def _snapshot(self, project_id: str, progress: Progress, needed: int) -> Snapshot:
        held = await self._persons.refresh(project_id, progress, needed=needed)
        return Snapshot(progress.batch_no, held, progress.profile_sequence)


def _time_to_say_so(left_s: float) -> float:
    """What is kept of the caller's time, so that the reason arrives before the caller has left."""
    return min(max(_SAY_SO_S, left_s / 10), _SAY_SO_MOST_S, left_s / 2)


def _lag(progress: Progress, freshness: Freshness) -> tuple[str, int, int] | None:
    """The first thing that is not as far as asked: what, asked, reached."""
    pairs = (
        ("batch_no", freshness.min_batch_no, progress.batch_no),
        ("identity_sequence", freshness.min_identity_sequence, progress.identity_sequence),
        ("profile_sequence", freshness.min_profile_sequence, progress.profile_sequence),
    )
    return next(((what, asked, at) for what, asked, at in pairs if at < asked), None)
