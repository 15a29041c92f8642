"""The identifiers' values, and their indexes in the columns."""

import hashlib
from uuid import UUID

from siyu_demo.records import Identifier, Via
from siyu_demo.simulator import vocabulary as words
from siyu_demo.simulator.arrays import Ints
from siyu_demo.simulator.devices import Devices
from siyu_demo.simulator.population import Population
from siyu_demo.simulator.settings import Settings

_MINI_PROGRAM_APP_ID = "wx5177500000000000"
_PLATFORMS = [("Android", "iOS"), ("H5", "H5"), ("MiniProgram", "MiniProgram")]
_VIA = [Via.SENSORS, Via.SEGMENT, Via.SENSORS]
"""Apps and mini-programs carry the Sensors SDK, pages the Segment one, and servers speak gRPC."""


class Identifiers:
    """Indexes: customer numbers first, then devices, their embedded browsers, then mobiles."""

    def __init__(self, settings: Settings, population: Population, devices: Devices) -> None:
        self._customers = population.customers
        self._devices = len(devices.kind)
        kinds = devices.kind.tolist()
        self.all: list[Identifier] = [
            *(("customer_no", population.number(row)) for row in range(population.customers)),
            *(_device(settings.seed, row, kind) for row, kind in enumerate(kinds)),
            *(("anonymous_id", _uuid(settings.seed, "view", row)) for row in range(len(kinds))),
            *(("mobile", population.mobile(row)) for row in range(population.customers)),
        ]
        self.platform: list[str] = [_PLATFORMS[kind][row % 2] for row, kind in enumerate(kinds)]
        self.via: list[Via] = [_VIA[kind] for kind in kinds]

    def customer(self, rows: Ints) -> Ints:
        """Index of each customer's number."""
        return rows

    def device(self, rows: Ints) -> Ints:
        """Index of each device's own identifier."""
        return self._customers + rows

    def browser(self, rows: Ints) -> Ints:
        """Index of the cookie in the browser that a device's app embeds."""
        return self._customers + self._devices + rows

    def mobile(self, rows: Ints) -> Ints:
        """Index of each customer's mobile number."""
        return self._customers + 2 * self._devices + rows


def _device(seed: int, row: int, kind: int) -> Identifier:
    name = words.IDENTIFIER_OF_DEVICE[kind]
    if kind == words.APP:
        return name, _digest(seed, "app", row)[:16]
    if kind == words.H5:
        return name, _uuid(seed, "h5", row)
    return name, f"{_MINI_PROGRAM_APP_ID}:o{_digest(seed, 'mini', row)[:27]}"


def _digest(seed: int, what: str, row: int) -> str:
    return hashlib.sha256(f"{seed}/{what}/{row}".encode()).hexdigest()


def _uuid(seed: int, what: str, row: int) -> str:
    return str(UUID(hex=_digest(seed, what, row)[:32], version=4))
