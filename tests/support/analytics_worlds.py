"""From the oracles' histories to rows, and to persons."""

from typing import Any

from oracle.condition_oracle import Person
from oracle.strategies import History, ident_of
from siyu.event.v1 import event_pb2
from siyu.type.v1 import value_pb2
from support.analytics_questions import Event, TimeValue, Trait, World


def world_of(history: History) -> World:
    """The rows of a history."""
    return World(
        [_event(event) for event in history.events],
        dict(history.person_of),
        [
            Trait(person, name, _plain(value))
            for person, traits in history.traits.items()
            for name, value in traits.items()
        ],
    )


def persons_of(history: History) -> dict[int, Person]:
    """What is known of each person."""
    persons = {
        number: Person(traits=history.traits.get(number, {}))
        for number in history.person_of.values()
    }
    for event in history.events:
        persons[history.person_of[ident_of(event)]].events.append(event)
    return persons


def _event(event: event_pb2.Event) -> Event:
    typed: list[tuple[str, Any]] = [
        *event.string_properties.items(),
        *event.number_properties.items(),
        *event.bool_properties.items(),
        *((key, TimeValue(value)) for key, value in event.time_properties.items()),
        *((key, list(value.values)) for key, value in event.list_properties.items()),
    ]
    return Event(
        ident_of(event),
        event.name,
        event.event_time_ms,
        event.message_id,
        dict(typed),
        dict(event.context),
    )


def _plain(value: value_pb2.Value) -> Any:
    kind = str(value.WhichOneof("kind"))
    if kind == "list_value":
        return list(value.list_value.values)
    plain = getattr(value, kind)
    return TimeValue(plain) if kind == "time_ms_value" else plain
