"""Who there is: customers of old, customers who join in the quarter, and visitors who never do."""

from dataclasses import dataclass

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import Bools, Ints, chance, ints, pick
from siyu_demo.simulator.curve import everyday
from siyu_demo.simulator.settings import Settings

_NEWCOMERS = 0.42
_VISITORS = 0.25


@dataclass(frozen=True, slots=True)
class Population:
    """One row a person; the first `customers` rows are the people with a customer number."""

    customers: int
    newcomer: Bools
    """Came during the quarter; the others had their account before."""
    start: Ints
    """Time of the first appearance."""
    channel: Ints
    city: Ints
    gender: Ints
    birth_year: Ints
    risk: Ints
    """Index of the risk level that the first assessment gives."""

    @property
    def size(self) -> int:
        """Customers and visitors."""
        return len(self.start)

    def number(self, customer: int) -> str:
        """Customer number of a row."""
        return f"66{customer:08d}"

    def mobile(self, customer: int) -> str:
        """A number of the mainland's form in a range that no operator has been given."""
        return f"+861540{customer:07d}"


def populate(settings: Settings) -> Population:
    """Makes the people of a quarter."""
    rng = chance(settings.seed, 1)
    customers = settings.customers
    size = customers + int(customers * _VISITORS)
    newcomer = (np.arange(size) >= customers) | (rng.random(size) < _NEWCOMERS)
    opening = np.full(size, settings.start_ms, dtype=np.int64)
    start = np.where(newcomer, everyday(settings).after(rng, opening), opening)
    channel = pick(rng, [*words.CHANNEL_WEIGHTS, words.NO_CHANNEL_WEIGHT], size)
    return Population(
        customers=customers,
        newcomer=newcomer,
        start=start,
        channel=np.where(channel == len(words.CHANNELS), -1, channel),
        city=pick(rng, [20, 18, 16, 12, 10, 9, 8, 7], size),
        gender=pick(rng, [48, 52], size),
        birth_year=ints(np.clip(rng.normal(1986, 11, size), 1945, 2006)),
        risk=pick(rng, [14, 24, 32, 20, 10], size),
    )
