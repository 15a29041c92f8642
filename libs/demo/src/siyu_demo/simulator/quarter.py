"""The whole quarter: people, devices, and everything they did."""

from collections.abc import Iterator

import numpy as np

from siyu_demo.records import Record
from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.browsing import Browsing
from siyu_demo.simulator.columns import Columns, Table
from siyu_demo.simulator.curve import everyday
from siyu_demo.simulator.devices import equip
from siyu_demo.simulator.facts import Consent, ContactPoint, Facts, Rating, gather
from siyu_demo.simulator.identifiers import Identifiers
from siyu_demo.simulator.logins import log_in
from siyu_demo.simulator.money import earn
from siyu_demo.simulator.opening import open_accounts
from siyu_demo.simulator.population import populate
from siyu_demo.simulator.profiles import describe
from siyu_demo.simulator.rendering import Renderer
from siyu_demo.simulator.settings import Settings

_QUIET_END_MS = 5_000
"""Nothing happens in the last seconds, so that a correction of clocks moves no event out."""


class Quarter:
    """A broker's quarter: its history, its live day and the facts of its back office."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._table, self._facts, self._renderer = _play(settings)
        self._live_from = int(np.searchsorted(self._table.time, settings.live_ms))

    def __len__(self) -> int:
        return len(self._table)

    @property
    def live_count(self) -> int:
        """Number of records of the live day."""
        return len(self._table) - self._live_from

    def history(self) -> Iterator[Record]:
        """Everything before the live day, in the order of time."""
        return self._renderer.records(self._table, 0, self._live_from)

    def live(self) -> Iterator[Record]:
        """The live day, in the order of time; `via` says which way each record arrives."""
        return self._renderer.records(self._table, self._live_from, len(self._table))

    @property
    def consents(self) -> list[Consent]:
        """Consents given and withdrawn."""
        return self._facts.consents

    @property
    def ratings(self) -> list[Rating]:
        """Risk assessments."""
        return self._facts.ratings

    @property
    def contact_points(self) -> list[ContactPoint]:
        """Addresses."""
        return self._facts.contact_points


def _play(settings: Settings) -> tuple[Table, Facts, Renderer]:
    population = populate(settings)
    devices = equip(settings, population)
    identifiers = Identifiers(settings, population, devices)
    curve = everyday(settings)
    columns = Columns()

    opening = open_accounts(settings, population, devices, identifiers, columns)
    first = log_in(settings, population, devices, opening, identifiers, columns, curve)
    views = earn(settings, population, opening, columns)
    browsing = Browsing(settings, population, devices, identifiers, columns, first)
    browsing.sessions(curve)
    browsing.news(views, curve)
    browsing.embedded(curve)

    on_app = (devices.kind[devices.device] == words.APP) & (first < settings.end_ms)
    facts = gather(settings, population, opening, np.unique(devices.person[on_app]))
    describe(
        settings, population, devices, opening, facts.reassessment, identifiers, columns, curve
    )
    table = columns.table(settings.end_ms - _QUIET_END_MS)
    return table, facts, Renderer(settings.seed, population, identifiers)
