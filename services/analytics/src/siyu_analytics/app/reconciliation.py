"""The account of a project: what was taken in against what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from siyu_analytics.app.sink_ports import StoredCount
from siyu_kit.stream.ledger import ACCEPTED, REFUSED, REPLAYED


@dataclass(frozen=True, slots=True)
class Settled:
    """What was lost when nothing was in doubt, milliseconds UTC; time 0: never yet."""

    lost: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """Holds for every project: accepted + replayed + unaccounted = handled + pending + lost."""

    project_id: str
    taken: Mapping[str, int]
    """Outcome at the doors -> records (``siyu_kit.stream.ledger``)."""
    handled: StoredCount
    pending: int = 0
    lost: int = 0
    unaccounted: int = 0
    """Handled events that no door's ledger knows: it died with the server that forgot them."""
    settled_ms: int = 0
    """When pending was last counted in the stream itself; what is lost is known since then."""

    @property
    def accepted(self) -> int:
        """Events that the doors took."""
        return self.taken.get(ACCEPTED, 0)

    @property
    def replayed(self) -> int:
        """Events of dead letters that were appended again."""
        return self.taken.get(REPLAYED, 0)

    @property
    def refused(self) -> dict[str, int]:
        """Records refused, by reason."""
        return {
            outcome.removeprefix(REFUSED): count
            for outcome, count in sorted(self.taken.items())
            if outcome.startswith(REFUSED)
        }

    @property
    def received(self) -> int:
        """Records that reached the doors."""
        return self.accepted + sum(self.refused.values())

    @property
    def balanced(self) -> bool:
        """Whether every record is where it should be, or on its way."""
        return not self.lost and not self.unaccounted


@dataclass(frozen=True, slots=True)
class Books:
    """One snapshot of the database: positions of the sink, and what it did by then."""

    positions: Mapping[int, str]
    handled: Mapping[str, StoredCount]
    settled: Mapping[str, Settled]


class LedgerStore(Protocol):
    """The account's part in the service's own database."""

    async def books(self) -> Books: ...

    async def merge(self, counters: Mapping[str, int]) -> None:
        """Keep the greatest value of each of the doors' counters."""
        ...

    async def taken(self) -> dict[str, dict[str, int]]:
        """The sum over all doors: project -> outcome -> records."""
        ...

    async def settle(self, lost: Mapping[str, int], at_ms: int) -> None:
        """Remember what is lost by now."""
        ...


@dataclass(slots=True)
class Judged:
    """The accounts of all projects; ``counted`` says whether pending was counted or inferred."""

    counted: bool
    accounts: dict[str, Account] = field(default_factory=dict)


def judged(
    books: Books,
    taken: Mapping[str, Mapping[str, int]],
    pending: Mapping[str, int] | None,
    now_ms: int,
) -> Judged:
    """Balance every project's account. ``pending`` None: it could not be counted now."""
    result = Judged(pending is not None)
    for project_id in sorted(taken.keys() | books.handled.keys()):
        mine = taken.get(project_id, {})
        handled = books.handled.get(project_id, StoredCount())
        done = handled.stored + handled.duplicates + handled.passed + handled.dead_lettered
        open_ = mine.get(ACCEPTED, 0) + mine.get(REPLAYED, 0) - done
        settled = books.settled.get(project_id, Settled())
        if pending is None:
            waiting, lost, at_ms = max(0, open_ - settled.lost), settled.lost, settled.at_ms
        else:
            waiting = pending.get(project_id, 0)
            lost, at_ms = max(0, open_ - waiting), now_ms
        unaccounted = max(0, waiting + lost - open_)
        result.accounts[project_id] = Account(
            project_id, mine, handled, waiting, lost, unaccounted, at_ms
        )
    return result
