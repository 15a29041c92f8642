"""Devices and who uses them: a person's own, a family's, and computers that anybody may sit at."""

from dataclasses import dataclass

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NONE, Bools, Ints, Rng, chance, ints
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

_FAMILIES_PER_CUSTOMER = 0.03
_FAMILY_SIZES = (2, 2, 2, 2, 3, 3, 4)
"""People on one family device. Four customers on a device are too many to say whose it is."""

_CUSTOMERS_PER_KIOSK = 400


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices, and one row of use for each person and device, rows of a person together."""

    kind: Ints
    """Kind of each device: app, H5 or mini-program."""
    person: Ints
    """Row of use: the person."""
    device: Ints
    """Row of use: the device."""
    borrowed: Bools
    """Row of use: the device belongs to somebody else."""
    primary: Ints
    """First row of use of each person."""
    rows: Ints
    """Number of rows of use of each person."""

    @property
    def second(self) -> Ints:
        """Another own device of each person, as a row of use; NONE where there is none."""
        following = np.minimum(self.primary + 1, len(self.person) - 1)
        owned = (self.rows > 1) & ~self.borrowed[following]
        return np.where(owned, following, NONE)

    def row_of(self, rng: Rng, person: Ints) -> Ints:
        """Draws a row of use for each person, mostly the primary one."""
        other = ints(rng.random(len(person)) * self.rows[person])
        return self.primary[person] + np.where(rng.random(len(person)) < 0.55, 0, other)


def equip(settings: Settings, population: Population) -> Devices:
    """Gives everybody devices, then lets some of them be shared."""
    rng = chance(settings.seed, 2)
    own_person, kind = _own(rng, population)
    own_device = np.arange(len(kind), dtype=np.int64)
    family_person, family_device = _families(rng, population, own_person, kind)
    kiosk_kind, kiosk_person, kiosk_device = _kiosks(rng, population, len(kind))

    person = np.concatenate([own_person, family_person, kiosk_person])
    device = np.concatenate([own_device, family_device, kiosk_device])
    borrowed = np.arange(len(person)) >= len(own_person)
    order = np.argsort(person, kind="stable")
    person = person[order]
    rows = np.bincount(person, minlength=population.size).astype(np.int64)
    return Devices(
        kind=np.concatenate([kind, kiosk_kind]),
        person=person,
        device=device[order],
        borrowed=borrowed[order],
        primary=np.cumsum(rows) - rows,
        rows=rows,
    )


def _own(rng: Rng, population: Population) -> tuple[Ints, Ints]:
    """Person and kind of each owned device; the kind that a person takes up first comes first."""
    size = population.size
    customer = np.arange(size) < population.customers
    has_app = rng.random(size) < np.where(customer, 0.86, 0.4)
    has_h5 = rng.random(size) < np.where(customer, 0.42, 0.45)
    has_mini = (rng.random(size) < np.where(customer, 0.34, 0.25)) | ~(has_app | has_h5)
    second_app = has_app & customer & (rng.random(size) < 0.22)
    h5_first = has_h5 & (rng.random(size) < 0.5)
    everyone = np.arange(size, dtype=np.int64)
    parts = [
        (h5_first, words.H5),
        (has_app, words.APP),
        (has_h5 & ~h5_first, words.H5),
        (second_app, words.APP),
        (has_mini, words.MINI_PROGRAM),
    ]
    person = np.concatenate([everyone[has] for has, _ in parts])
    kind = np.concatenate([np.full(int(has.sum()), code, dtype=np.int64) for has, code in parts])
    order = np.argsort(person, kind="stable")
    return person[order], kind[order]


def _families(rng: Rng, population: Population, own_person: Ints, kind: Ints) -> tuple[Ints, Ints]:
    """Rows of use in which a customer uses a relative's app device or browser."""
    lendable = (kind != words.MINI_PROGRAM) & (own_person < population.customers)
    lenders = np.flatnonzero(lendable)
    families = max(len(_FAMILY_SIZES), int(population.customers * _FAMILIES_PER_CUSTOMER))
    lent = rng.choice(lenders, size=min(families, len(lenders) // 2), replace=False)
    person, device = [], []
    for family, shared in enumerate(lent.tolist()):
        for relative in range(1, _FAMILY_SIZES[family % len(_FAMILY_SIZES)]):
            person.append((int(own_person[shared]) + relative) % population.customers)
            device.append(shared)
    return np.asarray(person, dtype=np.int64), np.asarray(device, dtype=np.int64)


def _kiosks(rng: Rng, population: Population, first: int) -> tuple[Ints, Ints, Ints]:
    """Public computers: their kinds, and rows of use by many customers each."""
    kiosks = max(4, population.customers // _CUSTOMERS_PER_KIOSK)
    kind = np.where(np.arange(kiosks) % 3 == 2, words.APP, words.H5).astype(np.int64)
    users = rng.integers(5, 24, kiosks)
    person = [rng.choice(population.customers, int(count), replace=False) for count in users]
    device = np.repeat(first + np.arange(kiosks, dtype=np.int64), users)
    return kind, np.concatenate(person).astype(np.int64), device
