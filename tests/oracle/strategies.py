"""Random conditions and histories that meet each other often: few names, few values, few times."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from siyu.condition.v1 import condition_pb2 as pb
from siyu.event.v1 import event_pb2
from siyu.type.v1 import identifier_pb2, value_pb2

AS_OF_MS = 1_790_000_123_456
ZONES = ("Asia/Shanghai", "UTC", "America/New_York", "Asia/Kolkata")
NAMES = ("view", "deposit", "trade")
PROPERTIES = ("kind", "amount", "context.lib")
TRAITS = ("city", "age", "vip", "since", "tags")
HOUR_MS = 3_600_000
_TEXTS = ("a", "b", "ab", "", "it's \\ {x:String}", "中文")
_NUMBERS = (0.0, 1.0, 2.5, -3.0, 0.29)
_TIMES = (AS_OF_MS - 86_400_000, AS_OF_MS, 0)

_text = st.sampled_from(_TEXTS).map(lambda v: value_pb2.Value(string_value=v))
_number = st.sampled_from(_NUMBERS).map(lambda v: value_pb2.Value(number_value=v))
_flag = st.booleans().map(lambda v: value_pb2.Value(bool_value=v))
_time = st.sampled_from(_TIMES).map(lambda v: value_pb2.Value(time_ms_value=v))
_strings = st.lists(st.sampled_from(_TEXTS), max_size=3, unique=True).map(
    lambda v: value_pb2.Value(list_value=value_pb2.StringList(values=v))
)
values = st.one_of(_text, _number, _flag, _time, _strings)
"""Trait and property values."""

event_times = st.one_of(
    st.integers(0, 12).map(lambda n: AS_OF_MS - n * HOUR_MS),
    st.integers(0, 6).map(lambda n: AS_OF_MS - n * 86_400_000 + 5 * HOUR_MS),
    st.integers(-3, 3).map(lambda n: AS_OF_MS + n),
)
"""Times around the time of view, some of them equal, a few after it."""


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[pb.Operator.ValueType, list[value_pb2.Value]]:
    """An operator of values with operands that it takes."""
    operator = draw(
        st.sampled_from([o for o in pb.Operator.values() if o != pb.OPERATOR_UNSPECIFIED])
    )
    if operator in (pb.OPERATOR_EXISTS, pb.OPERATOR_NOT_EXISTS):
        return operator, []
    if operator == pb.OPERATOR_CONTAINS:
        return operator, [draw(_text)]
    if operator in (pb.OPERATOR_IN, pb.OPERATOR_NOT_IN):
        kind = draw(st.sampled_from([_text, _number]))
        return operator, draw(st.lists(kind, min_size=1, max_size=3))
    if operator in (pb.OPERATOR_EQ, pb.OPERATOR_NE):
        return operator, [draw(st.one_of(_text, _number, _flag, _time))]
    kind = draw(st.sampled_from([_number, _time]))
    if operator == pb.OPERATOR_BETWEEN:
        pair = [draw(kind), draw(kind)]
        return operator, sorted(pair, key=lambda v: (v.number_value, v.time_ms_value))
    return operator, [draw(kind)]


@st.composite
def event_filters(draw: st.DrawFn) -> pb.EventFilter:
    """Which events are meant."""
    filters = []
    for name in draw(st.lists(st.sampled_from(PROPERTIES), max_size=2)):
        operator, operands = draw(comparisons())
        filters.append(pb.PropertyFilter(property=name, operator=operator, operands=operands))
    return pb.EventFilter(event_name=draw(st.sampled_from(NAMES)), filters=filters)


@st.composite
def windows(draw: st.DrawFn) -> pb.Window:
    """A range of event time."""
    form = draw(st.sampled_from(["none", "rolling", "absolute"]))
    window = pb.Window()
    if form == "rolling":
        window.rolling.units = draw(st.integers(1, 9))
        window.rolling.unit = draw(st.sampled_from([pb.WINDOW_UNIT_HOUR, pb.WINDOW_UNIT_DAY]))
    elif form == "absolute":
        low = draw(event_times)
        window.absolute.from_time_ms = low
        window.absolute.to_time_ms = low + draw(st.integers(1, 30)) * HOUR_MS
    return window


@st.composite
def _counts(draw: st.DrawFn) -> pb.Condition:
    operators = [
        pb.OPERATOR_EQ,
        pb.OPERATOR_NE,
        pb.OPERATOR_LT,
        pb.OPERATOR_LE,
        pb.OPERATOR_GT,
        pb.OPERATOR_GE,
        pb.OPERATOR_BETWEEN,
    ]
    operator = draw(st.sampled_from(operators))
    width = 2 if operator == pb.OPERATOR_BETWEEN else 1
    operands = sorted(draw(st.lists(st.integers(0, 4), min_size=width, max_size=width)))
    leaf = pb.EventCountCondition(
        event=draw(event_filters()),
        window=draw(windows()),
        operator=operator,
        operands=operands,
    )
    return pb.Condition(event_count=leaf)


@st.composite
def _sequences(draw: st.DrawFn) -> pb.Condition:
    leaf = pb.EventSequenceCondition(
        steps=draw(st.lists(event_filters(), min_size=2, max_size=3)),
        within_ms=draw(st.sampled_from([1, HOUR_MS, 3 * HOUR_MS, 90_000_000])),
        window=draw(windows()),
    )
    return pb.Condition(event_sequence=leaf)


@st.composite
def _traits(draw: st.DrawFn) -> pb.Condition:
    operator, operands = draw(comparisons())
    name = draw(st.sampled_from(TRAITS))
    return pb.Condition(trait=pb.TraitCondition(trait=name, operator=operator, operands=operands))


def _branch(kind: str, items: list[pb.Condition]) -> pb.Condition:
    condition = pb.Condition()
    getattr(condition, kind).conditions.extend(items)
    return condition


def conditions(depth: int = 4) -> st.SearchStrategy[pb.Condition]:
    """Conditions at most so deep."""
    everyone = st.builds(lambda: pb.Condition(everyone=pb.Everyone()))
    leaves = st.one_of(_counts(), _sequences(), _traits(), everyone)
    if depth == 1:
        return leaves
    below = conditions(depth - 1)
    branches = st.builds(
        _branch,
        st.sampled_from(["all_of", "any_of", "none_of"]),
        st.lists(below, min_size=1, max_size=3),
    )
    return st.one_of(leaves, branches)


@dataclass
class History:
    """One project: events under identifiers, identifiers under persons, traits of persons.

    ``person_of`` maps an identifier's number to its person's, which is the smallest number of the
    person's identifiers. An event's identifier is ``customer_no`` c and the number.
    """

    events: list[event_pb2.Event] = field(default_factory=list)
    person_of: dict[int, int] = field(default_factory=dict)
    traits: dict[int, dict[str, value_pb2.Value]] = field(default_factory=dict)


def ident_of(event: event_pb2.Event) -> int:
    """The number of an event's subject."""
    return int(event.ids[0].value.removeprefix("c"))


@st.composite
def events(draw: st.DrawFn, idents: list[int], position: int) -> event_pb2.Event:
    """One event of one of the identifiers."""
    ident = draw(st.sampled_from(idents))
    event = event_pb2.Event(
        message_id=f"m{position:03d}",
        ids=[identifier_pb2.Identifier(type="customer_no", value=f"c{ident}")],
        kind=event_pb2.EVENT_KIND_TRACK,
        name=draw(st.sampled_from(NAMES)),
        event_time_ms=draw(event_times),
    )
    for name in PROPERTIES[:2]:
        if draw(st.booleans()):
            _put(event, name, draw(values))
    if draw(st.booleans()):
        event.context["lib"] = draw(st.sampled_from(_TEXTS))
    return event


def _put(event: event_pb2.Event, name: str, value: value_pb2.Value) -> None:
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        event.list_properties[name].CopyFrom(value.list_value)
        return
    properties: Any = {
        "string_value": event.string_properties,
        "number_value": event.number_properties,
        "bool_value": event.bool_properties,
        "time_ms_value": event.time_properties,
    }[str(kind)]
    properties[name] = getattr(value, str(kind))


@st.composite
def histories(draw: st.DrawFn, max_events: int = 14) -> History:
    """A small project whose persons have one to several identifiers."""
    idents = list(range(1, draw(st.integers(1, 5)) + 1))
    person_of: dict[int, int] = {}
    for ident in idents:
        anchors = [n for n in person_of if person_of[n] == n]
        person_of[ident] = draw(st.sampled_from([*anchors, ident]))
    number = draw(st.integers(0, max_events))
    rows = [draw(events(idents, position)) for position in range(number)]
    traits: dict[int, dict[str, value_pb2.Value]] = {}
    for person in set(person_of.values()):
        names = draw(st.lists(st.sampled_from(TRAITS), unique=True, max_size=3))
        traits[person] = {name: draw(values) for name in names}
    return History(rows, person_of, traits)
