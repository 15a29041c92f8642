"""The ledger of the doors: what was taken in and what was refused, by project.

Each door (a process that appends) has counters of its own on the stream server, which grow in
the transaction that appends the entries. So the server's ledger always says what the server's
stream held, and a total that is smaller than the door remembers is proof that the server lost
what it had acknowledged. The door then puts its counters right: the ledger keeps saying what was
taken in, and whoever compares it with what arrived finds what is missing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from siyu_kit.ids import new_id
from siyu_kit.log import get_logger
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.port import Cut, PlacedEntry, StreamStore, is_before

_log = get_logger(__name__)

ACCEPTED: Final = "accepted"
"""Events appended."""
REPLAYED: Final = "replayed"
"""Events of dead letters, appended again."""
REFUSED: Final = "refused."
"""Before the reason of a refusal."""

Tallies = Mapping[tuple[str, str], int]
"""(project, outcome) -> how many."""


def counters(ledger: Mapping[str, int]) -> Iterator[tuple[str, str, str, int]]:
    """(door, project, outcome, count) of the server's counters."""
    for name, count in ledger.items():
        door, _, rest = name.partition(":")
        project, colon, outcome = rest.partition(":")
        if colon:
            yield door, project, outcome, count


class DoorLedger:
    """Appends and counts as one door; one append at a time (see ``GroupAppender``).

    ``guard`` None: nobody watches the server (tests, the in-memory twin).
    """

    def __init__(
        self,
        stream: StreamStore,
        topic: str,
        partitions: int,
        guard: StreamGuard | None = None,
    ) -> None:
        self.door = new_id()
        self._stream = stream
        self._topic = topic
        self._partitions = partitions
        self._guard = guard
        self._known: Counter[str] = Counter()
        self._crediting: Counter[str] = Counter()
        self._corrections = 0
        self._last: dict[int, str] = {}
        if guard is not None:
            guard.on_change(self.compare)

    def check(self) -> None:
        """Raise ``DependencyDown`` (STREAM_PROMISE_BROKEN) while no OK may be given."""
        if self._guard is not None:
            self._guard.check()

    async def append(self, entries: Sequence[PlacedEntry], tallies: Tallies) -> list[str]:
        """Append and count in one step; returns the ids when all is as durable as promised.

        Raises ``DependencyDown`` also when the server turned out to have lost something and does
        not promise any more what is configured; the entries may be there then.
        """
        self.check()
        counts = {
            f"{self.door}:{project}:{outcome}": count
            for (project, outcome), count in tallies.items()
        }
        done = await self._stream.append_counted(entries, counts)
        for placed, entry_id in zip(entries, done.ids, strict=True):
            self._last[placed.partition] = entry_id
        lost = False
        for name, count in counts.items():
            lost |= done.totals[name] < self._known[name] + count
            # An append that was not answered may have been counted: the server knows.
            self._known[name] = max(self._known[name] + count, done.totals[name])
        if lost:
            await self.compare()
            if self._guard is not None:
                await self._guard.verify()
        self.check()  # it may have become another server between the question and the answer
        return list(done.ids)

    async def compare(self) -> None:
        """Compare what the server has with what it acknowledged, and put the ledger right.

        The guard and an append may both find the same loss: what one of them is putting right
        the other leaves alone. A lock would not do, for each may wait for the other's.
        """
        cut = await self._settled_cut()
        missing = {
            name: short
            for name, known in self._known.items()
            if (short := known - cut.counters.get(name, 0) - self._crediting[name]) > 0
        }
        for partition, last in self._last.items():
            if is_before(cut.tails[partition], last):
                # Readers may be beyond the end: new entries must not hide below their positions.
                await self._stream.forward(self._topic, partition, last)
        if not missing:
            return
        self._crediting.update(missing)
        try:
            await self._stream.append_counted([], missing)
        finally:
            self._crediting.subtract(missing)
            self._corrections += 1
        for _, project, outcome, count in counters(missing):
            _log.error(
                "stream_forgot_acknowledged",
                project_id=project,
                outcome=outcome,
                count=count,
                door=self.door,
            )

    async def _settled_cut(self) -> Cut:
        """A cut while which no correction ended: it has each of them, or none that ended since."""
        while True:
            corrections = self._corrections
            cut = await self._stream.cut(self._topic, self._partitions)
            if corrections == self._corrections:
                return cut
