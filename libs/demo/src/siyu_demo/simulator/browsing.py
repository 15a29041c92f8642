"""Sessions: what people look at, logged in or not."""

import numpy as np

from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import Ints, Rng, chance, ints, pick
from siyu_demo.simulator.columns import Columns
from siyu_demo.simulator.curve import Curve
from siyu_demo.simulator.devices import Devices
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

_LOGGED_IN = 0.75
"""Share of what a person does under their number, once they have logged in on the device."""

_NAMES = [words.PAGE_VIEW, words.CLICK, words.PRODUCT_VIEW]
_NAME_WEIGHTS = [62.0, 23.0, 15.0]
_EMBEDDED = 0.06
"""Share of app devices whose embedded browser shows pages of its own."""


class Browsing:
    """Adds the events that devices report; `first` is the first login by row of use."""

    def __init__(
        self,
        settings: Settings,
        population: Population,
        devices: Devices,
        identifiers: Identifiers,
        columns: Columns,
        first: Ints,
    ) -> None:
        self._settings = settings
        self._population = population
        self._devices = devices
        self._identifiers = identifiers
        self._columns = columns
        self._first = first

    def sessions(self, curve: Curve) -> None:
        """Adds the sessions of everybody, and the logins that some of them begin with."""
        rng = chance(self._settings.seed, 6)
        person = self._visits(rng)
        row = self._devices.row_of(rng, person)
        start = curve.after(rng, self._population.start[person])
        logged_in = (start > self._first[row]) & (rng.random(len(row)) < _LOGGED_IN)
        self._again(rng, row, start, logged_in)

        length = 1 + rng.geometric(0.24, len(row))
        session = np.repeat(np.arange(len(row)), length)
        opens = np.concatenate([[True], session[1:] != session[:-1]])
        waited = np.cumsum(np.where(opens, 0, 1_000 + ints(rng.exponential(35_000, len(session)))))
        time = start[session] + 1 + waited - waited[opens][session]
        name = np.asarray(_NAMES)[pick(rng, _NAME_WEIGHTS, len(session))]
        at_page = self._devices.kind[self._devices.device[row]][session] == words.H5
        name = np.where(opens & ~at_page, words.APP_LAUNCH, np.where(opens, words.PAGE_VIEW, name))
        self._add(rng, row[session], time, name, logged_in[session], channel=opens)

    def news(self, views: Ints, curve: Curve) -> None:
        """Adds the news that each person reads: `views` pieces, any time after they came."""
        rng = chance(self._settings.seed, 7)
        person = np.repeat(np.arange(len(views)), views)
        row = self._devices.row_of(rng, person)
        time = curve.after(rng, self._population.start[person])
        logged_in = (time > self._first[row]) & (rng.random(len(row)) < _LOGGED_IN)
        self._add(rng, row, time, np.full(len(row), words.NEWS_VIEW), logged_in, channel=None)

    def embedded(self, curve: Curve) -> None:
        """Adds pages in browsers inside of apps: one names both ids, the others the cookie."""
        rng = chance(self._settings.seed, 8)
        devices = self._devices
        owned = ~devices.borrowed & (devices.kind[devices.device] == words.APP)
        row = np.flatnonzero(owned & (rng.random(len(owned)) < _EMBEDDED))
        time = curve.after(rng, self._population.start[devices.person[row]])
        self._columns.add(
            time=time,
            name=words.PAGE_VIEW,
            subject=self._identifiers.device(devices.device[row]),
            other=self._identifiers.browser(devices.device[row]),
            device=devices.device[row],
            detail=0,
        )
        page = np.repeat(np.arange(len(row)), rng.integers(1, 5, len(row)))
        device = devices.device[row][page]
        self._columns.add(
            time=time[page] + 1_000 + ints(rng.exponential(60_000, len(page))),
            name=words.PAGE_VIEW,
            subject=self._identifiers.browser(device),
            device=device,
            detail=rng.integers(0, len(words.PAGES), len(page)),
        )

    def _visits(self, rng: Rng) -> Ints:
        """A person for each session; newcomers had less time for them."""
        settings, population = self._settings, self._population
        left = (settings.end_ms - population.start) / (settings.end_ms - settings.start_ms)
        visitor = np.arange(population.size) >= population.customers
        mean = np.where(visitor, 2.0 * left, 1.0 + 7.6 * left)
        count = rng.poisson(mean * rng.gamma(2.0, 0.5, population.size))
        return np.repeat(np.arange(population.size), count)

    def _again(self, rng: Rng, row: Ints, start: Ints, logged_in: np.ndarray) -> None:
        devices = self._devices
        native = devices.kind[devices.device[row]] != words.MINI_PROGRAM
        again = logged_in & native & (rng.random(len(row)) < 0.1)
        self._columns.add(
            time=start[again],
            name=words.LOGIN,
            subject=self._identifiers.customer(devices.person[row[again]]),
            other=self._identifiers.device(devices.device[row[again]]),
            device=devices.device[row[again]],
        )

    def _add(
        self,
        rng: Rng,
        row: Ints,
        time: Ints,
        name: Ints,
        logged_in: np.ndarray,
        channel: np.ndarray | None,
    ) -> None:
        person, device = self._devices.person[row], self._devices.device[row]
        number = self._identifiers.customer(person)
        came_by = self._population.channel[person]
        self._columns.add(
            time=time,
            name=name,
            subject=np.where(logged_in, number, self._identifiers.device(device)),
            device=device,
            detail=rng.integers(0, 1 << 20, len(row)),
            channel=-1 if channel is None else np.where(channel & ~logged_in, came_by, -1),
        )
