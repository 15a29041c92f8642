"""Deposits, trades and the news that is read in between."""

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NEVER, Bools, Floats, Ints, Rng, chance, ints
from siyu_demo.simulator.columns import Columns
from siyu_demo.simulator.curve import Curve, everyday, trading
from siyu_demo.simulator.opening import Opening
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

_VIEW_WEIGHTS = [22.0, 16.0, 14.0, 12.0, 10.0, 8.0, 9.0, 6.0, 4.0, 3.0]
"""How many first depositors read 0, 1, ... 9 pieces of news; the rest reads more."""

_MANY_VIEWS_WEIGHT = 8.0
_FEW, _SOME, _MANY = 0.08, 0.22, 0.68
"""Chance of a first trade below 3 views, from 3 up to the turning point, and from it on."""


def earn(
    settings: Settings,
    population: Population,
    opening: Opening,
    columns: Columns,
) -> Ints:
    """Adds every deposit and trade.

    Returns:
        How many pieces of news each person reads in the quarter.
    """
    rng = chance(settings.seed, 5)
    daily, market = everyday(settings), trading(settings)
    size = population.customers
    opened = opening.opened[:size]
    old = ~population.newcomer[:size]
    dormant = old & (rng.random(size) < 0.25)
    beginner = np.where(dormant, rng.random(size) < 0.4, ~old & (rng.random(size) < 0.72))
    beginner &= opened < settings.end_ms

    first = np.full(size, NEVER)
    for chosen, haste in ((beginner & dormant, 1.0), (beginner & ~dormant, 9.0)):
        first[chosen] = daily.after(rng, opened[chosen], haste)

    views = _views(rng, beginner, population.size)
    converts = _converts(rng, settings, views[:size], beginner, first, market)
    _deposits(rng, columns, first, beginner, old & ~dormant, daily, settings)
    _trades(rng, columns, first, converts, old & ~dormant, market, settings)
    return views


def _views(rng: Rng, beginner: Bools, size: int) -> Ints:
    """Beginners read as the weights say, everybody else a few pieces, some a lot."""
    views = rng.poisson(rng.gamma(0.6, 7.0, size)).astype(np.int64)
    views[len(beginner) :] = rng.poisson(0.8, size - len(beginner))
    weights = np.asarray([*_VIEW_WEIGHTS, _MANY_VIEWS_WEIGHT])
    drawn = rng.choice(len(weights), len(beginner), p=weights / weights.sum())
    many = drawn == len(_VIEW_WEIGHTS)
    drawn = np.where(many, 10 + rng.poisson(5.0, len(beginner)), drawn)
    views[: len(beginner)] = np.where(beginner, drawn, views[: len(beginner)])
    return views


def _converts(
    rng: Rng, settings: Settings, views: Ints, beginner: Bools, first: Ints, market: Curve
) -> Bools:
    likely: Floats = np.where(views < 3, _FEW, _SOME)
    likely = np.where(views >= settings.turning_point, _MANY, likely)
    open_still = market.left(np.minimum(first, settings.end_ms)) > 0
    return np.asarray(beginner & open_still & (rng.random(len(views)) < likely))


def _deposits(
    rng: Rng,
    columns: Columns,
    first: Ints,
    beginner: Bools,
    active: Bools,
    daily: Curve,
    settings: Settings,
) -> None:
    first_ones = np.flatnonzero(beginner)
    columns.add(
        time=first[first_ones],
        name=words.DEPOSIT,
        subject=first_ones,
        detail=1,
        amount=_fen(rng, len(first_ones), 12_000),
    )
    often = np.repeat(np.arange(len(first)), rng.poisson(np.where(active, 1.4, 0.0)))
    more = np.repeat(np.arange(len(first)), rng.poisson(np.where(beginner, 0.5, 0.0)))
    since = [np.full(len(often), settings.start_ms, dtype=np.int64), first[more]]
    customers = np.concatenate([often, more])
    columns.add(
        time=daily.after(rng, np.concatenate(since)),
        name=words.DEPOSIT,
        subject=customers,
        amount=_fen(rng, len(customers), 30_000),
    )


def _trades(
    rng: Rng,
    columns: Columns,
    first: Ints,
    converts: Bools,
    active: Bools,
    market: Curve,
    settings: Settings,
) -> None:
    converted = np.flatnonzero(converts)
    opening_trade = market.after(rng, first[converted], haste=10.0)
    often = np.repeat(np.arange(len(first)), rng.poisson(np.where(active, 5.0, 0.0)))
    later = np.repeat(np.arange(len(converted)), rng.poisson(2.5, len(converted)))
    start = np.full(len(often), settings.start_ms, dtype=np.int64)
    more_time = market.after(rng, np.concatenate([start, opening_trade[later]]))
    customers = np.concatenate([converted, often, converted[later]])
    columns.add(
        time=np.concatenate([opening_trade, more_time]),
        name=words.TRADE,
        subject=customers,
        detail=rng.integers(0, 2 * len(words.SYMBOLS), len(customers)),
        amount=_fen(rng, len(customers), 8_000),
    )


def _fen(rng: Rng, size: int, median_yuan: float) -> Ints:
    return np.maximum(ints(rng.lognormal(np.log(median_yuan * 100), 1.1, size)), 1)
