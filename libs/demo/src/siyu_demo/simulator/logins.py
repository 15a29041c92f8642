"""Who logs in where and when: what ties devices to customers."""

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NEVER, NONE, Bools, Ints, Rng, chance, ints
from siyu_demo.simulator.columns import Columns
from siyu_demo.simulator.curve import Curve
from siyu_demo.simulator.devices import Devices
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.opening import Opening
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

_LOGS_IN = 0.86
"""Share of further devices that their users ever log in on."""

_UNBOUND = 0.02


def log_in(
    settings: Settings,
    population: Population,
    devices: Devices,
    opening: Opening,
    identifiers: Identifiers,
    columns: Columns,
    curve: Curve,
) -> Ints:
    """Adds the first login of every row of use, the binds, and what is unbound again.

    Returns:
        The time of the first login by row of use, NEVER where there is none.
    """
    rng = chance(settings.seed, 4)
    first = _first_logins(rng, settings, population, devices, opening, curve)
    done = first < settings.end_ms
    mini = devices.kind[devices.device] == words.MINI_PROGRAM
    bound = done & mini & (rng.random(len(first)) < 0.5)

    for rows, kind, name in ((done & ~bound, words.TRACK, words.LOGIN), (bound, words.BIND, NONE)):
        columns.add(
            time=first[rows],
            kind=kind,
            name=name,
            subject=identifiers.customer(devices.person[rows]),
            other=identifiers.device(devices.device[rows]),
            device=devices.device[rows],
        )
    _unbind(rng, settings, devices, identifiers, columns, np.where(bound, first, NEVER))
    _mobiles(rng, population, opening, identifiers, columns)
    return first


def _first_logins(
    rng: Rng,
    settings: Settings,
    population: Population,
    devices: Devices,
    opening: Opening,
    curve: Curve,
) -> Ints:
    person = devices.person
    row = np.arange(len(person))
    customer = person < population.customers
    known = np.where(population.newcomer, opening.login, population.start)[person]
    known = np.minimum(known, settings.end_ms - 1)
    first = curve.after(rng, known, haste=6.0)
    first = np.where(devices.borrowed | (rng.random(len(row)) < _LOGS_IN), first, NEVER)

    primary = row == devices.primary[person]
    newcomer = population.newcomer[person]
    first = np.where(primary & newcomer, opening.login[person], first)
    first = np.where(primary & ~newcomer, curve.after(rng, known, haste=14.0), first)
    continued = row == devices.second[person]
    first = np.where(continued & (opening.switch[person] < NEVER), opening.switch[person], first)
    first = np.where(customer & (first < settings.end_ms), first, NEVER)
    return _apart(devices.device, first)


def _apart(device: Ints, first: Ints) -> Ints:
    """Moves logins of one device at one millisecond apart, so that one of them was first."""
    first = first.copy()
    while True:
        order = np.lexsort((first, device))
        sorted_device, sorted_first = device[order], first[order]
        same: Bools = (sorted_device[1:] == sorted_device[:-1]) & (
            sorted_first[1:] == sorted_first[:-1]
        )
        same &= sorted_first[1:] < NEVER
        if not same.any():
            return first
        first[order[1:][same]] += 1


def _unbind(
    rng: Rng,
    settings: Settings,
    devices: Devices,
    identifiers: Identifiers,
    columns: Columns,
    bound: Ints,
) -> None:
    """A few customers take the binding of their mini-program back; the back office reports it."""
    left = settings.end_ms - bound
    taken = (left > 1) & (rng.random(len(bound)) < _UNBOUND)
    time = bound[taken] + 1 + ints(rng.random(int(taken.sum())) * (left[taken] - 1))
    columns.add(
        time=time,
        kind=words.UNBIND,
        subject=identifiers.customer(devices.person[taken]),
        other=identifiers.device(devices.device[taken]),
    )


def _mobiles(
    rng: Rng,
    population: Population,
    opening: Opening,
    identifiers: Identifiers,
    columns: Columns,
) -> None:
    """Every account has a mobile number; some couples have one between them."""
    customers = np.flatnonzero(opening.opened[: population.customers] < NEVER)
    couple = (customers > 0) & (rng.random(len(customers)) < 0.02)
    columns.add(
        time=opening.opened[customers] + ints(rng.uniform(1_000, 3_600_000, len(customers))),
        kind=words.BIND,
        subject=identifiers.customer(customers),
        other=identifiers.mobile(customers - couple),
    )
