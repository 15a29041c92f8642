"""Conversion by how often a behaviour was shown, and the turning point."""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from siyu_demo.records import Identifier
from siyu_demo.truth.audience import counts
from siyu_demo.truth.intervals import Share, wilson
from siyu_demo.truth.ledger import Happening, Ledger
from siyu_demo.truth.people import People


@dataclass(frozen=True, slots=True)
class ConversionQuestion:
    """Who started, who reached the goal no earlier, and how often they showed the behaviour."""

    start: Happening
    goal: Happening
    behaviour: Happening
    from_ms: int
    to_ms: int


class Bucket(NamedTuple):
    """Persons whose count is at least `from_count` and below `to_count` (None: no bound)."""

    from_count: int
    to_count: int | None
    persons: set[Identifier]
    converted: set[Identifier]

    @property
    def rate(self) -> Share:
        """Share that converted."""
        return wilson(len(self.converted), len(self.persons))


class Candidate(NamedTuple):
    """How well "at least k" tells those who convert from those who do not."""

    k: int
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def phi(self) -> float:
        """Correlation of the two yes-or-no questions; 0 where one has a single answer."""
        tp, fp, fn, tn = self[1:]
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / sqrt(product) if product else 0.0


class Conversion:
    """The answer to a conversion question."""

    def __init__(self, question: ConversionQuestion, ledger: Ledger, people: People) -> None:
        started: dict[Identifier, int] = {}
        for fact in ledger.facts(question.start):
            if question.from_ms <= fact.time < question.to_ms:
                person = people.person_of(fact.subject)
                started[person] = min(fact.time, started.get(person, fact.time))
        shown = counts(question.behaviour, question.from_ms, question.to_ms, ledger, people)
        self.shown: dict[Identifier, int] = {person: shown[person] for person in started}
        self.converted: set[Identifier] = set()
        for fact in ledger.facts(question.goal):
            person = people.person_of(fact.subject)
            if person in started and started[person] <= fact.time < question.to_ms:
                self.converted.add(person)

    def buckets(self, bounds: list[int]) -> list[Bucket]:
        """Splits the persons at ascending bounds: 3, 6 means [0,3), [3,6) and [6,∞)."""
        edges: list[int | None] = [0, *bounds, None]
        buckets = []
        for low, high in pairwise(edges):
            from_count = low or 0
            persons = {
                person
                for person, count in self.shown.items()
                if from_count <= count and (high is None or count < high)
            }
            buckets.append(Bucket(from_count, high, persons, persons & self.converted))
        return buckets

    def candidate(self, k: int) -> Candidate:
        """The contingency table of one threshold."""
        often = {person for person, count in self.shown.items() if count >= k}
        seldom = set(self.shown) - often
        return Candidate(
            k,
            len(often & self.converted),
            len(often - self.converted),
            len(seldom & self.converted),
            len(seldom - self.converted),
        )

    def candidates(self, max_k: int = 30) -> list[Candidate]:
        """The thresholds from 1 on."""
        return [self.candidate(k) for k in range(1, max_k + 1)]

    def turning_point(self, max_k: int = 30) -> Candidate:
        """The threshold with the greatest phi, the smallest of equals."""
        return max(self.candidates(max_k), key=lambda candidate: (candidate.phi, -candidate.k))
