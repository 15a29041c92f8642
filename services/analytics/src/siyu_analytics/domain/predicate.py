"""Comparisons as SQL over typed values.

A property may stand under several types at once (one map each), a trait under one. A
comparison looks at the values of its operand's type only; ``≠`` and ``not in`` ask for presence
under any type.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.filters import CONTEXT, EventFilter, PropertyFilter
from siyu_analytics.domain.values import Operand, Operator, TimeMs


class Typed(NamedTuple):
    """A value of one type: whether there is one, and the value."""

    present: str
    value: str


class Source(NamedTuple):
    """Where a comparison finds its values; None where there can be none of the type."""

    text: Typed | None
    number: Typed | None = None
    flag: Typed | None = None
    time: Typed | None = None
    strings: Typed | None = None

    @property
    def present(self) -> str:
        """Whether there is a value of any type."""
        return _any(typed.present for typed in self if typed)


TEXT: Final = "string_properties"
MAPS: Final = (
    TEXT,
    "number_properties",
    "bool_properties",
    "time_properties",
    "list_properties",
)
"""The maps of ``events``, in the order of ``Source``."""


def property_source(binder: Binder, name: str) -> Source:
    """The values of an event's property."""
    if name.startswith(CONTEXT):
        return Source(_entry("context", binder.text(name.removeprefix(CONTEXT))))
    key = binder.text(name)
    maps = (TEXT,) if name in binder.basis.only_text else MAPS
    return Source(*(_entry(column, key) for column in maps))


def _entry(column: str, key: str) -> Typed:
    return Typed(f"mapContains({column}, {key})", f"{column}[{key}]")


def compare(binder: Binder, source: Source, operator: Operator, operands: Sequence[Operand]) -> str:
    """The comparison, 0 or 1."""
    return f"ifNull({_comparison(binder, source, operator, operands)}, 0)"


def _comparison(
    binder: Binder, source: Source, operator: Operator, operands: Sequence[Operand]
) -> str:
    match operator:
        case Operator.EXISTS | Operator.NOT_EXISTS:
            return source.present if operator is Operator.EXISTS else f"NOT {source.present}"
        case Operator.EQ | Operator.IN:
            return _equals(binder, source, operands)
        case Operator.NE | Operator.NOT_IN:
            return f"({source.present} AND NOT {_equals(binder, source, operands)})"
        case Operator.CONTAINS:
            needle = _bound(binder, operands[0])
            in_text = _has(source.text, f"position(@, {needle}) > 0")
            return _any([in_text, _has(source.strings, f"has(@, {needle})")])
        case Operator.BETWEEN:
            low, high = (_bound(binder, operand) for operand in operands)
            return _has(_of_type(source, operands[0]), f"@ >= {low} AND @ <= {high}")
        case _:
            sign = {"≤": "<=", "≥": ">="}.get(operator.value, operator.value)
            bound = _bound(binder, operands[0])
            return _has(_of_type(source, operands[0]), f"@ {sign} {bound}")


def _equals(binder: Binder, source: Source, operands: Sequence[Operand]) -> str:
    first = operands[0]
    if len(operands) == 1:
        test = f"= {_bound(binder, first)}"
        single = f"@ = [{_bound(binder, first)}]"
    else:
        bound = binder.bind(list(operands), f"Array({_type(first)})")
        test = f"IN {bound}"
        single = f"length(@) = 1 AND @[1] IN {bound}"
    found = [_has(_of_type(source, first), f"@ {test}")]
    if isinstance(first, str):
        found.append(_has(source.strings, single))
    return _any(found)


def _of_type(source: Source, operand: Operand) -> Typed | None:
    match operand:
        case str():
            return source.text
        case bool():
            return source.flag
        case TimeMs():
            return source.time
        case _:
            return source.number


def _type(operand: Operand) -> str:
    match operand:
        case str():
            return "String"
        case bool():
            return "Bool"
        case TimeMs():
            return "Int64"
        case _:
            return "Float64"


def _bound(binder: Binder, operand: Operand) -> str:
    value = operand.ms if isinstance(operand, TimeMs) else operand
    return binder.bind(value, _type(operand))


def _has(typed: Typed | None, test: str) -> str:
    """The test where there is a value; ``@`` in it stands for the value."""
    return f"({typed.present} AND {test.replace('@', typed.value)})" if typed else "0"


def _any(tests: Iterable[str]) -> str:
    items = [test for test in tests if test != "0"]
    return f"({' OR '.join(items)})" if items else "0"


def event_predicate(binder: Binder, event: EventFilter) -> str:
    """Whether a row of ``events`` is meant."""
    parts = [f"name = {binder.text(event.name)}"]
    parts += [_property(binder, item) for item in event.filters]
    return f"({' AND '.join(parts)})"


def any_of(binder: Binder, events: Sequence[EventFilter]) -> str:
    """Whether a row of ``events`` is meant by any of the filters."""
    return _any(dict.fromkeys(event_predicate(binder, event) for event in events))


def _property(binder: Binder, item: PropertyFilter) -> str:
    return compare(binder, property_source(binder, item.name), item.operator, item.operands)
