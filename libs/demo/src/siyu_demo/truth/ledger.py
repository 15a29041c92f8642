"""What was sent, kept as far as the questions need it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from siyu_demo.records import Identifier, Record, Value

KEPT = frozenset({"open_step", "deposit", "trade", "news_view"})
"""Events of which every single one is kept; of the others the number and the subjects."""


class Fact(NamedTuple):
    """One event that is kept."""

    time: int
    subject: Identifier
    properties: dict[str, Value]


class Change(NamedTuple):
    """One profile operation."""

    time: int
    message_id: str
    subject: Identifier
    type: str
    properties: dict[str, Value]


@dataclass(slots=True)
class Link:
    """What was said about two identifiers belonging together."""

    first: int
    """When it was said first."""
    proven: bool
    """Whether a login or a bind said so; otherwise they were only seen together."""
    last: int
    cut: int = -1
    """When it was last taken back; -1 for never."""

    @property
    def holds(self) -> bool:
        """Whether the last word is that they belong together; on a tie they do not."""
        return self.last > self.cut


@dataclass(frozen=True, slots=True)
class Happening:
    """Events of a name with these property values."""

    event: str
    where: tuple[tuple[str, Value], ...] = ()

    def fits(self, properties: dict[str, Value]) -> bool:
        """Whether an event of the name is meant."""
        return all(properties.get(name) == value for name, value in self.where)


@dataclass(slots=True)
class Ledger:
    """Everything that was sent so far; feed it each record once, in any order."""

    kept: frozenset[str] = KEPT
    identifiers: set[Identifier] = field(default_factory=set)
    links: dict[tuple[Identifier, Identifier], Link] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    """Number of events by name."""
    subjects: defaultdict[str, set[Identifier]] = field(default_factory=lambda: defaultdict(set))
    """Who did it, by name."""
    _facts: defaultdict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))

    def add(self, records: Iterable[Record]) -> None:
        """Writes records down."""
        for _ in self.through(records):
            pass

    def through(self, records: Iterable[Record]) -> Iterator[Record]:
        """Writes records down on their way to somebody else."""
        for record in records:
            subject = record.subject
            self.identifiers.add(subject)
            if len(record.ids) > 1:
                self._link(record)
            if record.type == "track":
                self.totals[record.event] += 1
                self.subjects[record.event].add(subject)
                if record.event in self.kept:
                    fact = Fact(record.time, subject, record.properties)
                    self._facts[record.event].append(fact)
            elif record.type.startswith("profile_"):
                change = (record.time, record.message_id, subject, record.type, record.properties)
                self.changes.append(Change(*change))
            yield record

    def facts(self, happening: Happening) -> list[Fact]:
        """The kept events that are meant."""
        return [fact for fact in self._facts[happening.event] if happening.fits(fact.properties)]

    def _link(self, record: Record) -> None:
        best, *others = record.ids.items()
        for other in others:
            self.identifiers.add(other)
            link = self.links.setdefault((best, other), Link(first=2**62, proven=False, last=-1))
            if record.type == "unbind":
                link.cut = max(link.cut, record.time)
                continue
            link.first = min(link.first, record.time)
            link.last = max(link.last, record.time)
            link.proven |= record.authenticated or record.type == "bind"
