"""The stream port: what every implementation promises.

A stream is a topic's partition. Entries have ids ``<a>-<b>`` that only grow; a *position* is the
id of the last entry a reader is done with, ``START`` before the first. Infrastructure that cannot
be reached, or that refuses a write, surfaces as ``DependencyDown``; a full server as
``QuotaExceeded``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

START: Final = "0-0"
"""The position before the first entry."""


class InvalidMessage(Exception):
    """A handler cannot make sense of an entry: it goes to the dead letters.

    ``entry_id`` names the guilty entry of the batch when the handler knows it.
    """

    def __init__(self, reason: str, message: str, entry_id: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.entry_id = entry_id


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is appended: payload, number of messages, kind mask, W3C traceparent, project.

    ``project_id`` is that of all its messages; empty where an entry has no one project.
    """

    payload: bytes
    count: int = 1
    kinds: int = 0
    trace: str | None = None
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """A new entry and where it goes."""

    topic: str
    partition: int
    entry: NewEntry


@dataclass(frozen=True, slots=True)
class Entry:
    """What is read. ``damage`` says what is wrong with an entry that cannot be decoded."""

    id: str
    payload: bytes
    count: int = 1
    kinds: int = 0
    trace: str | None = None
    damage: str = ""
    project_id: str = ""

    @property
    def sequence(self) -> int:
        """A feed entry's dense sequence (the first half of its id)."""
        return split_id(self.id)[0]


@dataclass(frozen=True, slots=True)
class Appended:
    """Ids of the entries in order, and what each counter that grew stands at now."""

    ids: Sequence[str]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """One moment of the server: all counters, and the last id of each partition."""

    counters: Mapping[str, int]
    tails: Mapping[int, str]


class Durability(Enum):
    """What an OK of ``append`` is worth."""

    DURABLE = "durable"
    """On the server's disk before the reply."""
    REPLICATED = "replicated"
    """In the memory of the replicas that were asked for before the reply."""
    RELAXED = "relaxed"
    """Survives the process; a power loss may take the last second."""
    VOLATILE = "volatile"
    """In memory only, or the server may evict it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The server's durability as read from its settings, and why."""

    durability: Durability
    reasons: tuple[str, ...] = ()
    replicas: int = 0


class StreamStore(Protocol):
    """Append, read and trim partitioned streams."""

    async def promise(self) -> Promise:
        """What the server can promise now."""
        ...

    async def append(self, topic: str, partition: int, entries: Sequence[NewEntry]) -> list[str]:
        """Append in order and return the ids, as durable as ``promise`` says.

        On an error some entries may have been appended: the caller retries, readers see doubles.
        """
        ...

    async def append_many(self, entries: Sequence[PlacedEntry]) -> list[str]:
        """``append`` over several partitions in one round trip."""
        ...

    async def append_counted(
        self, entries: Sequence[PlacedEntry], counts: Mapping[str, int]
    ) -> Appended:
        """Append and add to the counters of the ledger: both are there, or neither is."""
        ...

    async def cut(self, topic: str, partitions: int) -> Cut:
        """Counters and ends of the topic, of one moment."""
        ...

    async def append_at(self, topic: str, partition: int, sequence: int, entry: NewEntry) -> bool:
        """Append a feed entry as ``<sequence>-0``; False when the stream is already that far.

        Raises ``DataLoss`` when another payload stands under that sequence.
        """
        ...

    async def append_run(
        self, topic: str, partition: int, first: int, entries: Sequence[NewEntry]
    ) -> int:
        """``append_at`` for ``first, first + 1, ...`` in one go; returns how many were new."""
        ...

    async def read(
        self,
        positions: Mapping[int, str],
        topic: str,
        *,
        count: int = 100,
        max_bytes: int = 8_000_000,
        block_ms: int = 0,
    ) -> dict[int, list[Entry]]:
        """Entries after each partition's position, in order; partitions without any are left out.

        At most ``count`` entries a partition; about ``max_bytes`` of payload in all, but at least
        one entry a partition that has any, so a large entry cannot block. Waits up to ``block_ms``
        when there is nothing (0: returns at once).
        """
        ...

    async def range(
        self, topic: str, partition: int, first: str, last: str, count: int = 100
    ) -> list[Entry]:
        """Entries with ``first <= id <= last``, at most ``count``."""
        ...

    async def tail(self, topic: str, partition: int) -> str:
        """The last id ever given out, also when its entry is trimmed; ``START`` for none."""
        ...

    async def holds(self, topic: str, partition: int, entry_id: str) -> bool:
        """Whether an entry with this id is in the stream."""
        ...

    async def forward(self, topic: str, partition: int, entry_id: str) -> None:
        """Make sure that ids given from now on are greater than this one."""
        ...

    async def length(self, topic: str, partition: int) -> int:
        """Entries the stream holds now."""
        ...

    async def floor(self, topic: str, partition: int) -> str:
        """Entries with ids below this may have been trimmed; ``START`` when nothing was."""
        ...

    async def register_reader(self, topic: str, partition: int, reader: str) -> None:
        """Make the reader known at ``START`` if it has not reported yet."""
        ...

    async def report_position(self, topic: str, partition: int, reader: str, position: str) -> None:
        """Tell how far a declared reader has *committed*; raises ``ValueError`` for another."""
        ...

    async def reported(self, topic: str, partition: int) -> dict[str, str]:
        """The positions reported so far, by reader."""
        ...

    async def trim(self, topic: str, partition: int) -> int:
        """Drop entries that every declared reader has committed; returns how many.

        The last entry that all have committed stays: by it a reader sees that the stream still
        is the one it read. A declared reader that never reported holds everything. A topic
        without readers is left as it is.
        """
        ...

    async def ping(self) -> None:
        """Return when the server answers, raise ``DependencyDown`` otherwise."""
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


def split_id(entry_id: str) -> tuple[int, int]:
    """``"12-3"`` as ``(12, 3)``, which compares in stream order."""
    high, _, low = entry_id.partition("-")
    return int(high), int(low or 0)


def join_id(high: int, low: int = 0) -> str:
    """The text form of an id."""
    return f"{high}-{low}"


def is_before(left: str, right: str) -> bool:
    """Whether ``left`` comes before ``right`` in the stream."""
    return split_id(left) < split_id(right)
