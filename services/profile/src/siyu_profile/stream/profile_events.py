"""Reads profile operations from the events stream and makes them facts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1 import event_pb2 as event_pb
from siyu_kit.errors import InvalidInput
from siyu_kit.log import get_logger
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


class ProfileEvents:
    """Handler of the reader; ``unit_on`` opens the store's unit on the reader's transaction."""

    def __init__(self, persons: Persons, unit_on: UnitOn) -> None:
        self._persons = persons
        self._unit_on = unit_on

    async def __call__(
        self, session: AsyncSession, _partition: int, entries: Sequence[Entry]
    ) -> None:
        by_project: dict[str, list[tuple[Identifier, TraitOperation]]] = {}
        for entry in entries:
            for event in _events(entry):
                found = by_project.setdefault(event.project_id, [])
                found.extend(_operations(event))
        unit = self._unit_on(session)
        for project_id, stated in by_project.items():
            await self._record(unit, project_id, stated)

    async def _record(
        self,
        unit: ProfileUnit,
        project_id: str,
        stated: Sequence[tuple[Identifier, TraitOperation]],
    ) -> None:
        if not stated:
            return
        wanted = sorted({identifier for identifier, _ in stated})
        resolved = await self._persons.number(project_id, wanted)
        numbered = [
            replace(operation, ident_no=resolved[identifier].ident_no)
            for identifier, operation in stated
            if identifier in resolved
        ]
        reused = await unit.add_operations(project_id, numbered)
        if reused:
            # A sender used one message id for two events; the first stays.
            _log.warning("operation_ids_reused", project_id=project_id, count=len(reused))
        used = [resolved[identifier] for identifier in wanted if identifier in resolved]
        await unit.refold(project_id, await unit.persons_of(project_id, used))


def _events(entry: Entry) -> Iterator[event_pb.Event]:
    try:
        batch = event_pb.EventBatch.FromString(entry.payload)
    except DecodeError as error:
        raise InvalidMessage("BATCH_UNREADABLE", str(error), entry.id) from error
    return (event for event in batch.events if event.kind in _KINDS)


def _operations(event: event_pb.Event) -> Iterator[tuple[Identifier, TraitOperation]]:
    subject = (event.ids[0].type, event.ids[0].value)
    kind = _KINDS[event.kind]
    for trait, read in _properties(event):
        try:
            check_trait(trait, "properties")
            value = read()
        except InvalidInput as error:
            # One property that the door should have refused costs nobody else anything.
            _log.warning("trait_refused", project_id=event.project_id, reason=error.message)
            continue
        operand = None if kind is OperationKind.UNSET else value
        operation_id = f"{event.message_id}:{trait}"
        yield (
            subject,
            TraitOperation(operation_id, 0, trait, kind, operand, event.event_time_ms),
        )


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
