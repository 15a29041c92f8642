"""What arrives now. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.session_rule import check_events
from siyu_analytics.domain.windows import Span

_MINUTE_MS: Final = 60_000
_LATEST_MS: Final = 10 * 86_400_000
"""How late a live event may be; the door refuses later ones."""
_MAX_MINUTES: Final = 1_440
_MAX_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Realtime:
    """A ``Question``."""

    scope: Scope
    events: tuple[EventFilter, ...] = ()
    minutes: int = 0
    rows: int = 0

    @property
    def limit(self) -> int:
        """There are no groups."""
        return 0

    def filled(self, now_ms: int) -> "Realtime":
        """With every default in its place."""
        scope = self.scope.filled(now_ms)
        return replace(self, scope=scope, minutes=self.minutes or 60, rows=self.rows or 100)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_events(self.events, "events")
        require(1 <= self.minutes <= _MAX_MINUTES, "minutes", f"1 to {_MAX_MINUTES}")
        require(1 <= self.rows <= _MAX_ROWS, "rows", f"1 to {_MAX_ROWS}")

    def groups(self, _binder: Binder) -> Query | None:
        """See ``Question``."""
        return None

    def answer(self, binder: Binder, _kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``kind`` ('event', the latest first, and 'minute') and what they say."""
        # Ordered where they are read, by columns as they lie: of the others the engine then reads
        # the last rows alone.
        latest = (
            f"{_arrived(binder, self)}"
            f" ORDER BY received_time DESC, batch_no DESC, message_id DESC LIMIT {self.rows}"
        )
        listed = (
            f"SELECT 'event' AS kind, toString(name) AS event_name, message_id, person, {MS},"
            f" {_RECEIVED} AS received, batch_no, toUInt64(1) AS events, toUInt64(0) AS persons"
            f" FROM ({latest})"
        )
        minutes = (
            "SELECT 'minute' AS kind, '' AS event_name, '' AS message_id, toUInt32(0) AS person,"
            " minute AS ms, toInt64(0) AS received, toUInt64(0) AS batch_no, count() AS events,"
            " uniqExact(person_no) AS persons"
            f" FROM (SELECT person AS person_no, {_MINUTE} AS minute FROM"
            f" ({_arrived(binder, self)})) GROUP BY minute"
        )
        return binder.query(
            f"SELECT * FROM ({listed} UNION ALL {minutes})"
            " ORDER BY kind, if(kind = 'minute', ms, -received), batch_no DESC, message_id DESC"
        )

    def members(
        self, binder: Binder, cell: "RealtimeCell", _kept: Sequence[GroupKey] | None
    ) -> str:
        """See ``Question``."""
        at = f"{_MINUTE} = {binder.whole(cell.minute_ms)}"
        return f"SELECT person FROM ({_arrived(binder, self)}) WHERE {at}"


class RealtimeCell(NamedTuple):
    """The persons of a minute."""

    minute_ms: int


_RECEIVED: Final = "toUnixTimestamp64Milli(received_time)"
_MINUTE: Final = f"intDiv({_RECEIVED}, {_MINUTE_MS}) * {_MINUTE_MS}"


def _arrived(binder: Binder, asked: Realtime) -> str:
    """A SELECT of the events that arrived in time: ``person`` and columns as they lie."""
    as_of = asked.scope.as_of_ms
    first = as_of - asked.minutes * _MINUTE_MS
    span = Span(max(0, first - _LATEST_MS), as_of + 1)
    columns = ["name", "message_id", "batch_no", "time", "received_time"]
    persons = persons_filter(binder, asked.scope.persons)
    low, high = binder.time(first), binder.time(as_of)
    arrived = [f"received_time > {low}", f"received_time <= {high}"]
    return scan(binder, asked.events or None, span, columns, persons, arrived)
