"""How newcomers open an account, and where they give up."""

from dataclasses import dataclass

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NEVER, NONE, Bools, Ints, Rng, chance, ints
from siyu_demo.simulator.columns import Columns
from siyu_demo.simulator.devices import Devices
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import MINUTE_MS, Settings

_STEP_RATES = np.asarray([0.88, 0.84, 0.80])
"""Share that goes on after steps 1, 2 and 3, before the channel's own effect."""

_CHANNEL_EFFECT = np.asarray([1.04, 1.0, 0.84, 0.94, 1.1, 0.97])
_GAP_MINUTES = (3.0, 5.0, 540.0)
"""Median minutes between the steps: the account is opened after somebody looked at the papers."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the opening decided, one row a person; NEVER where it did not happen."""

    login: Ints
    """First login of a newcomer."""
    switch: Ints
    """Login on a second device, on which the opening is continued."""
    opened: Ints
    """Account opened; the start of the quarter for customers of old."""


def open_accounts(
    settings: Settings,
    population: Population,
    devices: Devices,
    identifiers: Identifiers,
    columns: Columns,
) -> Opening:
    """Plays the opening of every newcomer and adds its steps.

    The steps are reported by the opening system, under the identifier the person had at that
    moment: the device before the login, the customer number after it.
    """
    rng = chance(settings.seed, 3)
    everybody = np.arange(population.size)
    customer = everybody < population.customers
    home = devices.device[devices.primary]
    starts = population.newcomer & (devices.kind[home] != words.MINI_PROGRAM)
    starts &= customer | (rng.random(population.size) < 0.5)

    depth = np.where(starts, _depth(rng, population, customer), 0)
    first = population.start + ints(rng.exponential(25 * MINUTE_MS, population.size)) + 1_000
    steps = _step_times(rng, first)
    late = customer & (depth >= 2) & (rng.random(population.size) < 0.3)
    login = np.where(late, steps[1], first) + ints(rng.uniform(15_000, 60_000, population.size))
    login = np.where(customer & population.newcomer, login, NEVER)
    switches = (devices.second != NONE) & (depth >= 2) & (rng.random(population.size) < 0.5)
    switch = np.where(switches & customer, login + 20_000, NEVER)

    for step, time in enumerate(steps):
        done = depth > step
        known = customer & (time > login)
        _add(
            columns,
            step,
            done,
            time,
            np.where(known, everybody, identifiers.device(home)),
            population,
        )
    again = (depth >= 1) & (rng.random(population.size) < 0.15)
    earlier = first - ints(rng.uniform(1, 20 * 60, population.size) * MINUTE_MS)
    again &= earlier >= settings.start_ms
    _add(columns, 0, again, earlier, identifiers.device(home), population)

    opened = np.where(customer & (depth == 4) & (steps[3] < settings.end_ms), steps[3], NEVER)
    opened = np.where(customer & ~population.newcomer, population.start, opened)
    return Opening(login=login, switch=switch, opened=opened)


def _depth(rng: Rng, population: Population, customer: Bools) -> Ints:
    """How many steps each person takes, 1 to 4; visitors never get beyond the second."""
    effect = _CHANNEL_EFFECT[population.channel]
    on = rng.random((3, population.size)) < np.minimum(_STEP_RATES[:, None] * effect, 0.98)
    depth = 1 + np.cumprod(on, axis=0).sum(axis=0)
    visitor = 1 + (rng.random(population.size) < 0.3)
    return np.where(customer, depth, visitor).astype(np.int64)


def _step_times(rng: Rng, first: Ints) -> list[Ints]:
    times = [first]
    for median in _GAP_MINUTES:
        gap = ints(rng.lognormal(np.log(median * MINUTE_MS), 0.8, len(first)))
        times.append(times[-1] + np.maximum(gap, 1_000))
    return times


def _add(
    columns: Columns, step: int, done: Bools, time: Ints, subject: Ints, population: Population
) -> None:
    columns.add(
        time=time[done],
        name=words.OPEN_STEP,
        subject=subject[done],
        detail=step,
        channel=population.channel[done],
    )
