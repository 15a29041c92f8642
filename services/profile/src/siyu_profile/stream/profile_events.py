"""Reads profile operations from the events stream and makes them facts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1 import event_pb2 as event_pb
from siyu_kit.errors import InvalidInput
from siyu_kit.log import get_logger
from siyu_kit.stream.part_letters import Part, PartLetters
from siyu_kit.stream.port import Entry, InvalidMessage
from siyu_profile.app.ports import Identifier, Persons, ProfileUnit
from siyu_profile.domain.traits import OperationKind, TraitOperation, check_trait
from siyu_profile.domain.values import Instant, TraitValue, check_items, check_text, number

_log = get_logger(__name__)

_KINDS: Final[Mapping[int, OperationKind]] = {
    event_pb.EVENT_KIND_PROFILE_SET: OperationKind.SET,
    event_pb.EVENT_KIND_PROFILE_SET_ONCE: OperationKind.SET_ONCE,
    event_pb.EVENT_KIND_PROFILE_INCREMENT: OperationKind.INCREMENT,
    event_pb.EVENT_KIND_PROFILE_APPEND: OperationKind.APPEND,
    event_pb.EVENT_KIND_PROFILE_UNSET: OperationKind.UNSET,
}


UnitOn = Callable[[AsyncSession], ProfileUnit]
"""Opens the store's unit on a session whose owner commits."""

Origin = tuple[Entry, event_pb.Event]
"""Where an operation comes from."""


@dataclass(slots=True)
class _Stated:
    """What the events of a batch say."""

    by_project: dict[str, list[tuple[Identifier, TraitOperation, Origin]]] = field(
        default_factory=dict
    )
    refused: list[Part] = field(default_factory=list)


class ProfileEvents:
    """Handler of the reader; ``unit_on`` opens the store's unit on the reader's transaction.

    What the door should have refused costs nobody else anything: the rest of its event counts, and
    the event is kept as a dead letter.
    """

    def __init__(self, persons: Persons, unit_on: UnitOn, letters: PartLetters) -> None:
        self._persons = persons
        self._unit_on = unit_on
        self._letters = letters

    async def __call__(
        self, session: AsyncSession, partition: int, entries: Sequence[Entry]
    ) -> None:
        stated = _Stated()
        for entry in entries:
            for event in _events(entry):
                _read(event, entry, stated)
        unit = self._unit_on(session)
        for project_id, operations in stated.by_project.items():
            stated.refused += await self._record(unit, project_id, operations)
        await self._letters.record(session, partition, stated.refused, entries=len(entries))

    async def _record(
        self,
        unit: ProfileUnit,
        project_id: str,
        stated: Sequence[tuple[Identifier, TraitOperation, Origin]],
    ) -> list[Part]:
        """Add what has a number; gives what has none."""
        wanted = sorted({identifier for identifier, _, _ in stated})
        resolved = await self._persons.number(project_id, wanted)
        numbered = [
            replace(operation, ident_no=resolved[identifier].ident_no)
            for identifier, operation, _ in stated
            if identifier in resolved
        ]
        reused = await unit.add_operations(project_id, numbered)
        if reused:
            # A sender used one message id for two events; the first stays.
            _log.warning("operation_ids_reused", project_id=project_id, count=len(reused))
        used = [resolved[identifier] for identifier in wanted if identifier in resolved]
        await unit.refold(project_id, await unit.persons_of(project_id, used))
        unnumbered = {
            id(event): _part(entry, event, "IDENTIFIER_REFUSED", "it is refused a number")
            for identifier, _, (entry, event) in stated
            if identifier not in resolved
        }
        return list(unnumbered.values())


def _events(entry: Entry) -> Iterator[event_pb.Event]:
    try:
        batch = event_pb.EventBatch.FromString(entry.payload)
    except DecodeError as error:
        raise InvalidMessage("BATCH_UNREADABLE", str(error), entry.id) from error
    return (event for event in batch.events if event.kind in _KINDS)


def _read(event: event_pb.Event, entry: Entry, stated: _Stated) -> None:
    """Add the operations of an event, and the event once more if some of it is refused."""
    subject = (event.ids[0].type, event.ids[0].value)
    kind = _KINDS[event.kind]
    operations = stated.by_project.setdefault(event.project_id, [])
    refusal: InvalidInput | None = None
    for trait, read in _properties(event):
        try:
            check_trait(trait, f"properties[{trait}]")
            value = read()
        except InvalidInput as error:
            refusal = refusal or error
            continue
        operand = None if kind is OperationKind.UNSET else value
        operation_id = f"{event.message_id}:{trait}"
        operation = TraitOperation(operation_id, 0, trait, kind, operand, event.event_time_ms)
        operations.append((subject, operation, (entry, event)))
    if refusal is not None:
        problem = f"{refusal.field}: {refusal.message}"
        stated.refused.append(_part(entry, event, refusal.reason, problem))


def _part(entry: Entry, event: event_pb.Event, reason: str, message: str) -> Part:
    payload = event_pb.EventBatch(events=[event]).SerializeToString()
    return Part(entry, payload, event.project_id, reason, message)


def _properties(event: event_pb.Event) -> Iterator[tuple[str, Callable[[], TraitValue]]]:
    """Names, each with the reading of its value, which checks it."""
    for name, text in event.string_properties.items():
        yield name, partial(check_text, text, name)
    for name, raw in event.number_properties.items():
        yield name, partial(number, raw, name)
    for name, flag in event.bool_properties.items():
        yield name, partial(bool, flag)
    for name, ms in event.time_properties.items():
        yield name, partial(Instant, ms)
    for name, items in event.list_properties.items():
        yield name, partial(check_items, tuple(items.values), name)
