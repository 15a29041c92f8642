"""Questions to the analytics service over rows that a test laid down itself."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pyarrow as pa

from siyu_analytics.app.asking import Asking
from siyu_analytics.app.ports import Freshness, PersonsAt, Snapshot
from siyu_analytics.engine.chdb import ChdbEngine
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.schema import TraitType
from siyu_kit.clock import ManualClock
from siyu_kit.rpc.paging import PageTokens

NOW_MS = 1_800_000_000_000
BATCH = 7


@dataclass(frozen=True)
class Event:
    """One event under an identifier."""

    ident: int
    name: str
    time: int
    message_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)
    batch_no: int = BATCH
    received: int | None = None
    """When it arrived; None: when it happened."""


@dataclass(frozen=True)
class Trait:
    """One value of a trait of a person; None: from now on there is none."""

    person: int
    name: str
    value: Any
    sequence: int = 1
    valid_from: int = 0


@dataclass(frozen=True)
class TimeValue:
    """A property or trait that is a point in time."""

    ms: int


@dataclass
class World:
    """One project: its events, the person of each identifier, its traits."""

    events: list[Event] = field(default_factory=list)
    person_of: dict[int, int] = field(default_factory=dict)
    traits: list[Trait] = field(default_factory=list)
    project: str = field(default_factory=lambda: f"q{uuid4().hex[:12]}")

    @property
    def population(self) -> set[int]:
        """The persons of the project."""
        return set(self.person_of.values())


class GivenWatermarks:
    """A store that has read a fixed way."""

    def __init__(self) -> None:
        self.state = Snapshot(BATCH, 3, 5)

    async def snapshot(self, project_id: str) -> Snapshot:
        return self.state

    async def wait(self, project_id: str, freshness: Freshness, deadline: float) -> Snapshot:
        return self.state


class GivenPersons:
    """Person maps that are written into the statement; the same at every sequence."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[int, int]] = {}

    async def at(self, project_id: str, sequence: int) -> PersonsAt:
        population = (
            "(SELECT DISTINCT person_no FROM person WHERE project_id = {project_id:String}"
            f" AND {self._person(project_id, 'person_no')} = person_no)"
        )
        return PersonsAt(sequence, self._person(project_id, "ident_no"), population)

    def _person(self, project_id: str, column: str) -> str:
        moved = {k: v for k, v in self.maps.get(project_id, {}).items() if k != v}
        if not moved:
            return column
        keys, values = list(moved), list(moved.values())
        return f"transform({column}, {keys}, {values}, {column})"


@dataclass
class Questions:
    """The servicer over an engine."""

    engine: ChdbEngine
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_MS))
    watermarks: GivenWatermarks = field(default_factory=GivenWatermarks)
    persons: GivenPersons = field(default_factory=GivenPersons)

    def __post_init__(self) -> None:
        clock = _Running(self.clock)
        asking = Asking(self.engine, self.watermarks, self.persons, clock)
        cases = use_cases(asking, None, None)  # type: ignore[arg-type]
        self.asking = asking
        self.rpc = AnalyticsServicer(cases, CellTokens(), PageTokens())

    async def load(self, worlds: Sequence[World]) -> None:
        """Lay down many projects in one insert a table."""
        for world in worlds:
            self.persons.maps[world.project] = world.person_of
        events = [(world.project, event) for world in worlds for event in world.events]
        if events:
            await self.engine.insert_arrow("events", _events(events))
        people = [(w.project, p) for w in worlds for p in w.population | set(w.person_of)]
        if people:
            await self.engine.insert_arrow("person", _persons(people))
        moves = [(w.project, *move) for w in worlds for move in w.person_of.items()]
        if moves:
            await self.engine.insert_arrow("person_map", _moves(moves))
        traits = [(world.project, trait) for world in worlds for trait in world.traits]
        if traits:
            await self.engine.insert_arrow("trait", _traits(traits))


class _Running:
    """The wall clock stands, the monotonic one runs: deadlines are real."""

    def __init__(self, wall: ManualClock) -> None:
        self._wall = wall

    def now_ms(self) -> int:
        return self._wall.now_ms()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._wall.sleep(seconds)


def _typed(properties: dict[str, Any], kinds: type | tuple[type, ...]) -> list[tuple[str, Any]]:
    return [
        (key, value.ms if isinstance(value, TimeValue) else value)
        for key, value in properties.items()
        if isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))
    ]


def _maps(rows: Iterable[list[tuple[str, Any]]], value: pa.DataType) -> pa.Array:
    return pa.array(list(rows), pa.map_(pa.string(), value))


def _events(rows: Sequence[tuple[str, Event]]) -> pa.Table:
    events = [event for _, event in rows]
    properties = [event.properties for event in events]
    return pa.table(
        {
            "project_id": pa.array([project for project, _ in rows]),
            "name": pa.array([event.name for event in events]),
            "ident_no": pa.array([event.ident for event in events], pa.uint32()),
            "time": pa.array([event.time for event in events], pa.timestamp("ms", "UTC")),
            "message_id": pa.array(
                [event.message_id or f"m{place:08d}" for place, event in enumerate(events)]
            ),
            "string_properties": _maps((_typed(p, str) for p in properties), pa.string()),
            "number_properties": _maps((_typed(p, (int, float)) for p in properties), pa.float64()),
            "bool_properties": _maps((_typed(p, bool) for p in properties), pa.bool_()),
            "time_properties": _maps((_typed(p, TimeValue) for p in properties), pa.int64()),
            "list_properties": _maps((_typed(p, list) for p in properties), pa.list_(pa.string())),
            "context": _maps((list(event.context.items()) for event in events), pa.string()),
            "received_time": pa.array(
                [e.time if e.received is None else e.received for e in events],
                pa.timestamp("ms", "UTC"),
            ),
            "batch_no": pa.array([event.batch_no for event in events], pa.uint64()),
        }
    )


def _persons(rows: Sequence[tuple[str, int]]) -> pa.Table:
    return pa.table(
        {
            "project_id": pa.array([project for project, _ in rows]),
            "person_no": pa.array([number for _, number in rows], pa.uint32()),
            "person_id": pa.array([person_id(number) for _, number in rows]),
            "sequence": pa.array([1] * len(rows), pa.uint64()),
        }
    )


def person_id(number: int) -> str:
    """The id that tests give a person."""
    return f"{number:032x}"


def _moves(rows: Sequence[tuple[str, int, int]]) -> pa.Table:
    return pa.table(
        {
            "project_id": pa.array([project for project, _, _ in rows]),
            "ident_no": pa.array([ident for _, ident, _ in rows], pa.uint32()),
            "person_no": pa.array([person for _, _, person in rows], pa.uint32()),
            "sequence": pa.array([1] * len(rows), pa.uint64()),
        }
    )


def _traits(rows: Sequence[tuple[str, Trait]]) -> pa.Table:
    values = [trait.value for _, trait in rows]
    kinds = [_kind(value) for value in values]

    def of(kind: TraitType, empty: Any) -> list[Any]:
        return [v if k is kind else empty for v, k in zip(values, kinds, strict=True)]

    times = [v.ms if isinstance(v, TimeValue) else 0 for v in values]
    return pa.table(
        {
            "project_id": pa.array([project for project, _ in rows]),
            "trait": pa.array([trait.name for _, trait in rows]),
            "person_no": pa.array([trait.person for _, trait in rows], pa.uint32()),
            "type": pa.array([int(kind) for kind in kinds], pa.uint8()),
            "string_value": pa.array(of(TraitType.STRING, "")),
            "number_value": pa.array(of(TraitType.NUMBER, 0.0), pa.float64()),
            "bool_value": pa.array(of(TraitType.BOOL, False)),
            "time_ms": pa.array(times, pa.int64()),
            "list_value": pa.array(of(TraitType.LIST, []), pa.list_(pa.string())),
            "valid_from": pa.array([t.valid_from for _, t in rows], pa.timestamp("ms", "UTC")),
            "sequence": pa.array([trait.sequence for _, trait in rows], pa.uint64()),
        }
    )


def _kind(value: Any) -> TraitType:
    match value:
        case None:
            return TraitType.ABSENT
        case str():
            return TraitType.STRING
        case bool():
            return TraitType.BOOL
        case TimeValue():
            return TraitType.TIME
        case list():
            return TraitType.LIST
        case _:
            return TraitType.NUMBER
