"""The form of an event as the rules see it.

Events are validated in place, a thousand in a few milliseconds, so the rules work on the message
itself instead of a copy. They know it by its form alone: the message types live outside.
"""

from collections.abc import Collection, Iterable, MutableMapping
from typing import Any, Protocol


class IdentifierForm(Protocol):
    """One identifier."""

    type: str
    value: str


class IdentifiersForm(Collection[Any], Protocol):
    """The list of identifiers of an event."""

    def add(self, *, type: str, value: str) -> Any:  # noqa: A002 - the contract's name
        """Append an identifier."""
        ...

    def __delitem__(self, key: Any) -> None: ...


class ListForm(Protocol):
    """A list of strings."""

    @property
    def values(self) -> Any: ...


class EventForm(Protocol):
    """One event."""

    project_id: str
    message_id: str
    kind: Any
    name: str
    event_time_ms: int
    client_time_ms: int
    sent_time_ms: int
    received_time_ms: int
    evidence_class: Any
    source: str

    @property
    def ids(self) -> Any: ...
    @property
    def string_properties(self) -> MutableMapping[str, str]: ...
    @property
    def number_properties(self) -> MutableMapping[str, float]: ...
    @property
    def bool_properties(self) -> MutableMapping[str, bool]: ...
    @property
    def time_properties(self) -> MutableMapping[str, int]: ...
    @property
    def list_properties(self) -> Any: ...
    @property
    def context(self) -> MutableMapping[str, str]: ...

    def SerializeToString(self) -> bytes:  # noqa: N802 - the message's own name
        """The event's bytes."""
        ...


Events = Iterable[EventForm]
