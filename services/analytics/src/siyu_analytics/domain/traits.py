"""Traits as of a question: of the values that it may see, the latest told."""

from collections.abc import Mapping
from typing import Final

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.predicate import Source, Typed
from siyu_analytics.domain.value_text import text_of

TYPES: Final = {"absent": 0, "text": 1, "number": 2, "flag": 3, "time": 4, "strings": 5}
"""Codes of the column ``type`` of the table ``trait``."""

_COLUMNS: Final = {
    "text": "string_value",
    "number": "number_value",
    "flag": "bool_value",
    "time": "time_ms",
    "strings": "list_value",
}


def trait_source() -> Source:
    """The columns of ``latest_trait`` as the source of a comparison."""
    return _source()


def _source(table: str = "") -> Source:
    typed = {
        kind: Typed(f"{table}type = {TYPES[kind]}", f"{table}{column}")
        for kind, column in _COLUMNS.items()
    }
    return Source(**typed)


def latest_trait(binder: Binder, name: str) -> str:
    """A SELECT of ``person_no``, ``type`` and the value columns, of persons who have the trait."""
    # One by one, so that the engine leaves out those that a question does not look at.
    told = {column: f"t.{column}" for column in ("type", *_COLUMNS.values())}
    return _latest(binder, name, told)


def latest_trait_text(binder: Binder, name: str) -> str:
    """A SELECT of ``person_no`` and ``shown``, the trait as text, of persons who have it.

    Each told value becomes text before the latest is picked: one column is picked then, not five.
    """
    return _latest(binder, name, {"type": "t.type", "shown": f"{text_of(_source('t.'))}.1"})


def _latest(binder: Binder, name: str, told: Mapping[str, str]) -> str:
    basis = binder.basis
    where = [
        "project_id = {project_id:String}",
        f"trait = {binder.text(name)}",
        f"valid_from <= {binder.time(basis.as_of_ms)}",
        f"sequence <= {binder.bind(basis.profile_sequence, 'UInt64')}",
    ]
    if binder.only_person is not None:
        where.append(f"person_no = {binder.number(binder.only_person)}")
    latest = ", ".join(f"argMax({value}, t.sequence) AS {column}" for column, value in told.items())
    rows = (
        f"SELECT person_no, {latest} FROM trait AS t WHERE {' AND '.join(where)} GROUP BY person_no"
    )
    return f"SELECT * FROM ({rows}) WHERE type != {TYPES['absent']}"
