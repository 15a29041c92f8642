"""What the back office knows of a customer: consents, risk ratings and addresses."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import NEVER, Ints, chance, ints, pick
from siyu_demo.simulator.opening import Opening
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import DAY_MS, Settings

_CHANNELS = {"in_app": (0.93, 0.04), "push": (0.80, 0.10), "sms": (0.55, 0.12)}
"""Share of customers who consent on each channel, and share of those who withdraw later."""

_RATING_DAYS = 730
"""A risk assessment is good for two years."""


class Consent(NamedTuple):
    """A consent given or withdrawn."""

    consent_id: str
    customer_no: str
    channel: str
    """in_app, push or sms."""
    purpose: str
    granted: bool
    time: int


class Rating(NamedTuple):
    """A risk assessment."""

    rating_id: str
    customer_no: str
    level: str
    """C1 to C5."""
    assessed: int
    expires: int
    """The first millisecond at which the rating no longer holds."""


class ContactPoint(NamedTuple):
    """An address."""

    contact_point_id: str
    customer_no: str
    type: str
    """mobile or push_token."""
    address: str
    time: int


@dataclass(frozen=True, slots=True)
class Reassessment:
    """Customers who took the risk assessment in the quarter, one row each."""

    customer: Ints
    level: Ints
    time: Ints
    expires: Ints


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of a quarter, each list in the order of customers and time."""

    consents: list[Consent]
    ratings: list[Rating]
    contact_points: list[ContactPoint]
    reassessment: Reassessment


def gather(settings: Settings, population: Population, opening: Opening, has_app: Ints) -> Facts:
    """Makes the facts of everybody who has an account; `has_app` are the customers with an app."""
    accounts = np.flatnonzero(opening.opened[: population.customers] < NEVER)
    ratings, reassessment = _ratings(settings, population, opening, accounts)
    return Facts(
        consents=_consents(settings, population, opening, accounts),
        ratings=ratings,
        contact_points=_contact_points(settings, population, opening, accounts, has_app),
        reassessment=reassessment,
    )


def _consents(
    settings: Settings, population: Population, opening: Opening, accounts: Ints
) -> list[Consent]:
    rng = chance(settings.seed, 9)
    consents = []
    for channel, (granted, withdrawn) in _CHANNELS.items():
        asked = rng.random(len(accounts)) < 0.97
        grants = rng.random(len(accounts)) < granted
        given = np.minimum(opening.opened[accounts] + 60_000, settings.end_ms - 1)
        withdraws = grants & (rng.random(len(accounts)) < withdrawn)
        later = given + 1 + ints(rng.random(len(accounts)) * (settings.end_ms - given - 1))
        rows = zip(accounts, asked, grants, given, withdraws, later, strict=True)
        for customer, was_asked, yes, time, no_more, changed in rows:
            if not was_asked:
                continue
            number = population.number(int(customer))
            key = f"consent-{number}-{channel}"
            consents.append(Consent(f"{key}-1", number, channel, "marketing", bool(yes), int(time)))
            if no_more:
                consents.append(
                    Consent(f"{key}-2", number, channel, "marketing", False, int(changed))
                )
    return consents


def _ratings(
    settings: Settings, population: Population, opening: Opening, accounts: Ints
) -> tuple[list[Rating], Reassessment]:
    rng = chance(settings.seed, 10)
    rated = accounts[rng.random(len(accounts)) < 0.97]
    old = ~population.newcomer[rated]
    age = ints(rng.uniform(0, _RATING_DAYS, len(rated))) * DAY_MS
    assessed = np.where(old, opening.opened[rated] - age, opening.opened[rated])
    again = rng.random(len(rated)) < 0.05
    time = (
        assessed + 1 + ints(rng.random(len(rated)) * np.maximum(settings.end_ms - assessed - 1, 0))
    )
    again &= (time > settings.start_ms) & (time > opening.opened[rated])
    reassessment = Reassessment(
        customer=rated[again],
        level=pick(rng, [1, 2, 3, 3, 2], int(again.sum())),
        time=time[again],
        expires=time[again] + _RATING_DAYS * DAY_MS,
    )
    ratings = [
        _rating(population, 1, customer, int(population.risk[customer]), when)
        for customer, when in zip(rated.tolist(), assessed.tolist(), strict=True)
    ]
    columns = (reassessment.customer, reassessment.level, reassessment.time)
    for customer, level, when in zip(*(column.tolist() for column in columns), strict=True):
        ratings.append(_rating(population, 2, customer, level, when))
    return ratings, reassessment


def _rating(population: Population, which: int, customer: int, level: int, time: int) -> Rating:
    number = population.number(customer)
    return Rating(
        f"rating-{number}-{which}",
        number,
        words.RISK_LEVELS[level],
        time,
        time + _RATING_DAYS * DAY_MS,
    )


def _contact_points(
    settings: Settings, population: Population, opening: Opening, accounts: Ints, has_app: Ints
) -> list[ContactPoint]:
    rng = chance(settings.seed, 11)
    allows_push = set(has_app[rng.random(len(has_app)) < 0.92].tolist())
    points = []
    for customer in accounts.tolist():
        number, time = population.number(customer), int(opening.opened[customer])
        mobile = population.mobile(customer)
        points.append(ContactPoint(f"mobile-{number}", number, "mobile", mobile, time))
        if customer in allows_push:
            token = f"push-token-{settings.seed:x}-{number}"
            points.append(ContactPoint(f"push-{number}", number, "push_token", token, time))
    return points
