"""Traits as of a question: of the values that it may see, the latest told."""

from typing import Final

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.predicate import Source, Typed

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
    typed = {kind: Typed(f"type = {TYPES[kind]}", column) for kind, column in _COLUMNS.items()}
    return Source(**typed)


def latest_trait(binder: Binder, name: str) -> str:
    """A SELECT of ``person_no``, ``type`` and the value columns, of persons who have the trait."""
    basis = binder.basis
    where = [
        "project_id = {project_id:String}",
        f"trait = {binder.text(name)}",
        f"valid_from <= {binder.time(basis.as_of_ms)}",
        f"sequence <= {binder.bind(basis.profile_sequence, 'UInt64')}",
    ]
    if binder.only_person is not None:
        where.append(f"person_no = {binder.number(binder.only_person)}")
    # One by one, so that the engine leaves out those that a question does not look at.
    told = ", ".join(
        f"argMax(t.{column}, t.sequence) AS {column}" for column in ("type", *_COLUMNS.values())
    )
    rows = (
        f"SELECT person_no, {told} FROM trait AS t WHERE {' AND '.join(where)} GROUP BY person_no"
    )
    return f"SELECT * FROM ({rows}) WHERE type != {TYPES['absent']}"
