"""Handlers of the identity and profile feeds: from messages to changes, then to the use case."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.event.v1.profile_change_pb2 import ProfileChangeBatch
from siyu.type.v1.value_pb2 import Value
from siyu_analytics.app.apply_identity_changes import ApplyIdentityChanges
from siyu_analytics.app.apply_profile_changes import ApplyProfileChanges
from siyu_analytics.app.projection_ports import (
    IdentityChange,
    ProfileChange,
    TimeValue,
    TraitValue,
)
from siyu_kit.stream.port import Entry


class IdentityFeed:
    """A ``Handle`` of the identity feed."""

    def __init__(self, apply: ApplyIdentityChanges) -> None:
        self._apply = apply

    async def __call__(
        self, session: AsyncSession, _partition: int, entries: Sequence[Entry]
    ) -> None:
        changes = [change for entry in entries for change in identity_changes(entry)]
        await self._apply(session, changes)


class ProfileFeed:
    """A ``Handle`` of the profile feed."""

    def __init__(self, apply: ApplyProfileChanges) -> None:
        self._apply = apply

    async def __call__(
        self, _session: AsyncSession, _partition: int, entries: Sequence[Entry]
    ) -> None:
        await self._apply([change for entry in entries for change in profile_changes(entry)])


def identity_changes(entry: Entry) -> Iterable[IdentityChange]:
    """The changes of one entry, each identifier's last; raises DecodeError."""
    batch = IdentityChangeBatch.FromString(entry.payload)
    sequence, project_id = entry.sequence, batch.project_id
    last = {change.ident_no: change for change in batch.changes}
    return [
        IdentityChange(
            sequence,
            project_id,
            change.ident_no,
            change.from_person_no,
            change.person_no,
            change.person_id,
        )
        for change in last.values()
    ]


def profile_changes(entry: Entry) -> Iterable[ProfileChange]:
    """The changes of one entry, each trait's last; raises DecodeError."""
    batch = ProfileChangeBatch.FromString(entry.payload)
    sequence, project_id = entry.sequence, batch.project_id
    last = {(change.person_no, change.trait): change for change in batch.changes}
    return [
        ProfileChange(
            sequence,
            project_id,
            change.person_no,
            change.trait,
            trait_value(change.value) if change.HasField("value") else None,
            change.valid_from_ms,
        )
        for change in last.values()
    ]


_READERS: dict[str, Callable[[Value], TraitValue]] = {
    "string_value": lambda value: value.string_value,
    "number_value": lambda value: value.number_value,
    "bool_value": lambda value: value.bool_value,
    "time_ms_value": lambda value: TimeValue(value.time_ms_value),
    "list_value": lambda value: tuple(value.list_value.values),
}


def trait_value(value: Value) -> TraitValue | None:
    """The value in Python's types; None for null."""
    kind = value.WhichOneof("kind")
    return None if kind is None else _READERS[kind](value)
