"""What the feeds write into the engine."""

from collections.abc import Sequence

import pyarrow as pa

from siyu_analytics.app.ports import Engine
from siyu_analytics.app.projection_ports import (
    IdentityChange,
    ProfileChange,
    TimeValue,
    TraitValue,
)
from siyu_analytics.store.schema import TraitType


class EngineProjections:
    """``Projections``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_identity(self, changes: Sequence[IdentityChange]) -> None:
        # Persons first: a map that names a person without a row would lose that person.
        persons = {(c.project_id, c.person_no): c for c in changes}.values()
        await self._engine.insert_arrow("person", _persons(list(persons)))
        await self._engine.insert_arrow("person_map", _person_map(changes))

    async def add_profile(self, changes: Sequence[ProfileChange]) -> None:
        await self._engine.insert_arrow("trait", _traits(changes))


def _persons(changes: Sequence[IdentityChange]) -> pa.Table:
    return pa.table(
        {
            "project_id": pa.array([c.project_id for c in changes], pa.string()),
            "person_no": pa.array([c.person_no for c in changes], pa.uint32()),
            "person_id": pa.array([c.person_id for c in changes], pa.string()),
            "sequence": pa.array([c.sequence for c in changes], pa.uint64()),
        }
    )


def _person_map(changes: Sequence[IdentityChange]) -> pa.Table:
    return pa.table(
        {
            "project_id": pa.array([c.project_id for c in changes], pa.string()),
            "ident_no": pa.array([c.ident_no for c in changes], pa.uint32()),
            "person_no": pa.array([c.person_no for c in changes], pa.uint32()),
            "sequence": pa.array([c.sequence for c in changes], pa.uint64()),
        }
    )


def _traits(changes: Sequence[ProfileChange]) -> pa.Table:
    columns = zip(*(_value_columns(c.value) for c in changes), strict=True)
    kind, text, number, truth, time_ms, items = columns
    return pa.table(
        {
            "project_id": pa.array([c.project_id for c in changes], pa.string()),
            "trait": pa.array([c.trait for c in changes], pa.string()),
            "person_no": pa.array([c.person_no for c in changes], pa.uint32()),
            "type": pa.array(kind, pa.uint8()),
            "string_value": pa.array(text, pa.string()),
            "number_value": pa.array(number, pa.float64()),
            "bool_value": pa.array(truth, pa.bool_()),
            "time_ms": pa.array(time_ms, pa.int64()),
            "list_value": pa.array(items, pa.list_(pa.string())),
            "valid_from": pa.array([c.valid_from_ms for c in changes], pa.timestamp("ms", "UTC")),
            "sequence": pa.array([c.sequence for c in changes], pa.uint64()),
        }
    )


ValueColumns = tuple[TraitType, str, float, bool, int, tuple[str, ...]]


def _value_columns(value: TraitValue | None) -> ValueColumns:
    """The type, and the value in the one column that holds it."""
    match value:
        case None:
            return TraitType.ABSENT, "", 0.0, False, 0, ()
        case bool():
            return TraitType.BOOL, "", 0.0, value, 0, ()
        case str():
            return TraitType.STRING, value, 0.0, False, 0, ()
        case TimeValue():
            return TraitType.TIME, "", 0.0, False, value.ms, ()
        case tuple():
            return TraitType.LIST, "", 0.0, False, 0, value
        case _:
            return TraitType.NUMBER, "", float(value), False, 0, ()
