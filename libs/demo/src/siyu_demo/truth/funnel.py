"""Funnels, by trying every entry of every person."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from siyu_demo.records import Identifier, Value
from siyu_demo.truth.ledger import Happening, Ledger
from siyu_demo.truth.people import People


@dataclass(frozen=True, slots=True)
class FunnelQuestion:
    """Who went how far, one step after the other."""

    steps: tuple[Happening, ...]
    from_ms: int
    """The first step happens at or after this time; the others come after it anyway."""
    to_ms: int
    """The first step happens before this time."""
    window_ms: int
    """Greatest time from the first step to the last."""
    strict: bool = False
    """An event of any other step in between ends the chain."""
    split_by: str | None = None
    """Property of the entry event."""
    as_of_ms: int = 2**62
    """No event after this time is seen."""


class Moment(NamedTuple):
    """One event of a person that is a step, or several steps at once."""

    time: int
    steps: frozenset[int]
    properties: dict[str, Value]


@dataclass(slots=True)
class Funnel:
    """A funnel's numbers, and the people behind each of them."""

    reached: list[set[Identifier]]
    """Persons by step."""
    waits: list[list[int]]
    """Milliseconds from the step before, by step; none at the first."""
    groups: dict[Value | None, "Funnel"] = field(default_factory=dict)
    """By value of the split property; None for those without one."""

    @property
    def counts(self) -> list[int]:
        """Number of persons by step."""
        return [len(people) for people in self.reached]

    @property
    def medians_ms(self) -> list[float | None]:
        """Median time from the step before, by step; None where nobody made it."""
        return [float(median(waits)) if waits else None for waits in self.waits]

    def lost(self, step: int) -> set[Identifier]:
        """Persons who reached the step, counted from 0, and not the next one."""
        return self.reached[step] - self.reached[step + 1]


def funnel(question: FunnelQuestion, ledger: Ledger, people: People) -> Funnel:
    """Answers a funnel question."""
    whole = _empty(question)
    groups: dict[Value | None, Funnel] = defaultdict(lambda: _empty(question))
    for person, moments in _moments(question, ledger, people).items():
        path = best_path(question, moments)
        if not path:
            continue
        _count(whole, person, path)
        if question.split_by is not None:
            value = path[0].properties.get(question.split_by)
            if isinstance(value, list):
                raise ValueError(f"{question.split_by} is a list and splits nothing")
            _count(groups[value], person, path)
    whole.groups = dict(groups)
    return whole


def best_path(question: FunnelQuestion, moments: list[Moment]) -> list[Moment]:
    """The deepest path of one person, of equally deep ones that with the earliest entry."""
    entries = [m for m in moments if 0 in m.steps and question.from_ms <= m.time < question.to_ms]
    best: list[Moment] = []
    for entry in sorted(entries, key=lambda moment: moment.time):
        path = _walk(question, moments, entry)
        if len(path) > len(best):
            best = path
    return best


def _walk(question: FunnelQuestion, moments: list[Moment], entry: Moment) -> list[Moment]:
    """From an entry always to the earliest event that fits next."""
    path = [entry]
    while len(path) < len(question.steps):
        last = path[-1].time
        fitting = [m for m in moments if len(path) in m.steps and m.time > last]
        if not fitting:
            break
        following = min(fitting, key=lambda moment: moment.time)
        if following.time - entry.time > question.window_ms:
            break
        if question.strict and any(last < m.time < following.time for m in moments):
            break
        path.append(following)
    return path


def _moments(
    question: FunnelQuestion, ledger: Ledger, people: People
) -> dict[Identifier, list[Moment]]:
    """Every person's events that are steps, each event once."""
    steps_of: dict[Identifier, dict[int, tuple[int, set[int], dict[str, Value]]]] = {}
    for step, happening in enumerate(question.steps):
        for fact in ledger.facts(happening):
            if fact.time > question.as_of_ms:
                continue
            mine = steps_of.setdefault(people.person_of(fact.subject), {})
            entry = mine.setdefault(id(fact), (fact.time, set(), fact.properties))
            entry[1].add(step)
    return {
        person: [Moment(time, frozenset(steps), props) for time, steps, props in mine.values()]
        for person, mine in steps_of.items()
    }


def _empty(question: FunnelQuestion) -> Funnel:
    return Funnel(reached=[set() for _ in question.steps], waits=[[] for _ in question.steps])


def _count(into: Funnel, person: Identifier, path: list[Moment]) -> None:
    for step, moment in enumerate(path):
        into.reached[step].add(person)
        if step:
            into.waits[step].append(moment.time - path[step - 1].time)
