"""What the use cases ask of the world."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from siyu_analytics.domain.progress import Reading


class Engine(Protocol):
    """The event store's engine: chDB in this process, or a ClickHouse server.

    Statements run on a bounded pool of threads, one connection each, never on the event loop.
    Values are bound by the server (``{name:Type}`` in the text, ``name`` in ``parameters``): text
    that a caller wrote never becomes part of a statement.
    """

    async def query(
        self,
        sql: str,
        parameters: Mapping[str, object],
        *,
        timeout_s: float | None = None,
        mark: str = "",
    ) -> pa.Table:
        """Run a SELECT; the whole answer.

        ``mark``, hexadecimal and used once, makes it a question's: ``progress`` shows it, and what
        it costs decides when it runs. Raises ``QuotaExceeded`` (QUERY_TOO_COSTLY) for one that
        would read too much.

        Raises ``DeadlineExceeded`` after ``timeout_s``, ``QuotaExceeded`` (QUERY_TOO_LARGE) when it
        needs more memory than one query may have, ``TooBusy`` when too many wait already. When the
        awaiting task is cancelled the query is killed.
        """
        ...

    async def progress(self) -> Mapping[str, Reading]:
        """What the statements that run now have read, by mark; a moment old at most."""
        ...

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement without an answer."""
        ...

    async def insert_protobuf(self, table: str, payload: bytes, schema_text: str) -> None:
        """Insert the messages of a ``ProtobufList`` payload; raises ``InvalidInput`` if it is none.

        ``payload`` is the concatenated envelope without its length; ``schema_text`` names the row
        message ``Event``.
        """
        ...

    async def insert_arrow(self, table: str, data: pa.Table, *, token: str | None = None) -> None:
        """Insert rows, durable on return; a repeated ``token`` inserts nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far the store had read when a question was asked."""

    batch_no: int
    """Highest batch such that it and all before it are in."""
    identity_sequence: int
    """Sequence of the identity feed that the person map holds."""
    profile_sequence: int
    """Sequence of the profile feed that is applied."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the store must have read at least."""

    min_batch_no: int = 0
    min_identity_sequence: int = 0
    min_profile_sequence: int = 0


class Watermarks(Protocol):
    """Says how far the store has read, and makes the project's person map current."""

    async def snapshot(self, project_id: str) -> Snapshot:
        """The present state."""
        ...

    async def wait(self, project_id: str, freshness: Freshness, deadline: float) -> Snapshot:
        """Wait until the state is at least ``freshness``.

        ``deadline`` is on the monotonic clock; shortly before it raises ``DependencyDown``
        (NOT_FRESH, with ``what``, ``asked``, ``reached``), so that the caller still hears it.
        """
        ...


@dataclass(frozen=True, slots=True)
class PersonsAt:
    """Who was whose at a sequence of the identity feed, as SQL."""

    sequence: int
    person: str
    """The person number of the identifier number in the column ``ident_no``."""
    population: str
    """A subquery in parentheses, column ``person_no``: the project's persons, once each.

    It binds the project itself as ``{project_id:String}``, which the caller passes.
    """
    keeps: object = None
    """What the SQL rests on stays as long as this is held."""


class PersonMap(Protocol):
    """From identifier number to person number."""

    async def at(self, project_id: str, sequence: int) -> PersonsAt:
        """The map as it was at a sequence, which the project's last ``Watermarks`` call reached.

        It never changes. The one of now is at hand; an earlier one is made when it is asked for.
        """
        ...
