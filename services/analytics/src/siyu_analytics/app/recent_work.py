"""The spans of the last work that answers rest on, so that an answer's trace leads to them."""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from siyu_analytics.app.ports import Snapshot
from siyu_kit.telemetry import inject, link_current

KEPT: Final = 16
"""Of each partition and feed; an answer has at most that many links to each."""


class _Work(NamedTuple):
    number: int
    trace: str
    projects: frozenset[str]


class RecentWork:
    """Batches of the sink and of the feeds that this process applied last; lost with it."""

    def __init__(self) -> None:
        self._batches: dict[int, deque[_Work]] = {}
        self._identity: deque[_Work] = deque(maxlen=KEPT)
        self._profile: deque[_Work] = deque(maxlen=KEPT)

    def stored(self, partition: int, batch_no: int, projects: Collection[str]) -> None:
        """The running span stored a batch with events of these projects."""
        kept = self._batches.setdefault(partition, deque(maxlen=KEPT))
        _keep(kept, batch_no, projects)

    def identity_applied(self, sequence: int, projects: Collection[str]) -> None:
        """The running span applied the identity feed from a sequence on."""
        _keep(self._identity, sequence, projects)

    def profile_applied(self, sequence: int, projects: Collection[str]) -> None:
        """The running span applied the profile feed from a sequence on."""
        _keep(self._profile, sequence, projects)

    def link(self, project_id: str, snapshot: Snapshot) -> None:
        """Link the running span to the project's work that is within the snapshot."""
        link_current(self._traces(project_id, snapshot))

    def _traces(self, project_id: str, snapshot: Snapshot) -> Iterator[str]:
        for kept, reached in (
            *((batches, snapshot.batch_no) for batches in tuple(self._batches.values())),
            (self._identity, snapshot.identity_sequence),
            (self._profile, snapshot.profile_sequence),
        ):
            for work in kept:
                if work.number <= reached and project_id in work.projects:
                    yield work.trace


def _keep(kept: deque[_Work], number: int, projects: Collection[str]) -> None:
    trace = inject()
    if trace is not None and projects:
        kept.append(_Work(number, trace, frozenset(projects)))
