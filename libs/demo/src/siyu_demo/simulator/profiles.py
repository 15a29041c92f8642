"""Profile operations: what the back office and the campaigns write about people."""

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NEVER, chance, ints
from siyu_demo.simulator.columns import Columns
from siyu_demo.simulator.curve import Curve
from siyu_demo.simulator.devices import Devices
from siyu_demo.simulator.facts import Reassessment
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.opening import Opening
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

BASIC, RATED, RISK_ONLY = range(3)
"""Which traits a profile_set writes, as the record's name code."""


def describe(
    settings: Settings,
    population: Population,
    devices: Devices,
    opening: Opening,
    reassessment: Reassessment,
    identifiers: Identifiers,
    columns: Columns,
    curve: Curve,
) -> None:
    """Adds every profile operation of the quarter, and the risk assessments that are events too."""
    rng = chance(settings.seed, 12)
    customers = np.arange(population.customers)
    opened, login = opening.opened[customers], opening.login[customers]
    accounts = customers[opened < NEVER]
    others = customers[(opened == NEVER) & (login < NEVER)]
    for rows, time, traits in (
        (accounts, opened[accounts] + 30_000, RATED),
        (others, login[others] + 5_000, BASIC),
    ):
        columns.add(time=time, kind=words.SET, name=traits, subject=rows, detail=rows)

    _reassess(reassessment, columns)
    _channels(rng, population, devices, identifiers, columns)

    since = np.minimum(np.where(opened < NEVER, opened, login), settings.end_ms - 1)
    known = customers[np.minimum(opened, login) < settings.end_ms]
    for kind, share in ((words.INCREMENT, 0.2), (words.APPEND, 0.3), (words.UNSET, 0.01)):
        often = 1 if kind == words.UNSET else rng.integers(1, 4, len(known))
        chosen = np.repeat(known, np.where(rng.random(len(known)) < share, often, 0))
        columns.add(
            time=curve.after(rng, since[chosen]),
            kind=kind,
            subject=chosen,
            detail=rng.integers(1, 1 << 16, len(chosen)),
        )


def _reassess(reassessment: Reassessment, columns: Columns) -> None:
    columns.add(
        time=reassessment.time,
        name=words.ASSESSMENT,
        subject=reassessment.customer,
        detail=reassessment.level,
        amount=reassessment.expires,
    )
    columns.add(
        time=reassessment.time,
        kind=words.SET,
        name=RISK_ONLY,
        subject=reassessment.customer,
        detail=reassessment.level,
    )


def _channels(
    rng: np.random.Generator,
    population: Population,
    devices: Devices,
    identifiers: Identifiers,
    columns: Columns,
) -> None:
    """The first channel sticks; a later campaign's attempt to write another one must not."""
    came = np.flatnonzero(population.newcomer & (population.channel >= 0))
    again = came[rng.random(len(came)) < 0.1]
    later = ints(rng.exponential(5 * 86_400_000, len(again))) + 60_000
    other = (population.channel[again] + 1) % len(words.CHANNELS)
    for rows, time, channel in (
        (came, population.start[came] + 500, population.channel[came]),
        (again, population.start[again] + later, other),
    ):
        columns.add(
            time=time,
            kind=words.SET_ONCE,
            subject=identifiers.device(devices.device[devices.primary[rows]]),
            channel=channel,
        )
