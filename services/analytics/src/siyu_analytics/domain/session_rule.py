"""Sessions: a person's events cut into visits. See ``SessionRule`` in the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter, check_event, check_property
from siyu_analytics.domain.predicate import any_of
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.scope import Scope
from siyu_analytics.domain.value_text import property_text

_MAX_EVENTS: Final = 8
_MAX_EXCLUDED: Final = 50
_MAX_TIMEOUT_MS: Final = 5 * 3_600_000
_DEFAULT_TIMEOUT_MS: Final = 30 * 60_000


EVERY: Final = "true"
"""A column that is the same for every event."""
VIEWS: Final = "arrayCount(r -> r.3, s)"
"""SQL: the page views of a session ``s`` whose first column says what is one."""
LOOKED: Final = "if(arrayExists(r -> r.3, s), s[-1].1 - arrayFirst(r -> r.3, s).1, 0)"
"""SQL: milliseconds from its first page view to its end."""


@dataclass(frozen=True, slots=True)
class SessionRule:
    """Where sessions end."""

    events: tuple[EventFilter, ...] = ()
    excluded_names: tuple[str, ...] = ()
    timeout_ms: int = 0
    over_midnight: bool = False
    starting: tuple[EventFilter, ...] = ()
    change_property: str = ""

    def filled(self) -> "SessionRule":
        """With the default timeout in its place."""
        return replace(self, timeout_ms=self.timeout_ms or _DEFAULT_TIMEOUT_MS)

    def check(self, field: str) -> None:
        """Refuse a filled rule that is malformed."""
        for name, events in (("events", self.events), ("starting", self.starting)):
            check_events(events, f"{field}.{name}")
        names = self.excluded_names
        require(len(names) <= _MAX_EXCLUDED, f"{field}.excluded_names", f"at most {_MAX_EXCLUDED}")
        for place, excluded in enumerate(names):
            check_name(excluded, f"{field}.excluded_names[{place}]")
        within = 1_000 <= self.timeout_ms <= _MAX_TIMEOUT_MS
        require(within, f"{field}.timeout_ms", f"1000 to {_MAX_TIMEOUT_MS} ms")
        if self.change_property:
            check_property(self.change_property, f"{field}.change_property")


def check_events(events: Sequence[EventFilter], field: str) -> None:
    """Refuse too many events, and malformed ones."""
    require(len(events) <= _MAX_EVENTS, field, f"at most {_MAX_EVENTS}")
    for place, event in enumerate(events):
        check_event(event, f"{field}[{place}]")


def sessions_sql(binder: Binder, rule: SessionRule, scope: Scope, columns: Sequence[str]) -> str:
    """A SELECT of ``person`` and ``session``, a row a session: see ``persons_sessions_sql``."""
    rows = persons_sessions_sql(binder, rule, scope, columns)
    return f"SELECT person, arrayJoin(sessions) AS session FROM ({rows})"


def persons_sessions_sql(
    binder: Binder, rule: SessionRule, scope: Scope, columns: Sequence[str]
) -> str:
    """A SELECT of ``person`` and ``sessions``, a row a person.

    A session is an array of its events by time, tuples of the time in milliseconds, the message id
    and the columns: expressions over ``events``. The id is 0 where it makes no difference which of
    the events of one instant comes first.
    """
    told = [f"{column} AS told_{place}" for place, column in enumerate(columns)]
    fields = ["ms", "message_id", *(f"told_{place}" for place in range(len(columns)))]
    cuts = [f"here.1 - before.1 > {binder.whole(rule.timeout_ms)}"]
    if not rule.over_midnight:
        told.append(f"toInt32(toDate(time, {binder.text(scope.zone)})) AS day")
        fields.append("day")
        cuts.append(f"here.{len(fields)} != before.{len(fields)}")
    if rule.starting:
        told.append(f"{any_of(binder, rule.starting)} AS opens")
        fields.append("opens")
        cuts.append(f"here.{len(fields)}")
    arrays = "laid, earlier"
    names = "here, before"
    earlier = ["arrayPushFront(arrayPopBack(laid), laid[1]) AS earlier"]
    if rule.change_property:
        value = property_text(binder, rule.change_property)
        told.append(f"{value} AS changing")
        fields.append("changing")
        place = len(fields)
        # The first of a person's events without a value has none before it to differ from.
        earlier.append(f"arrayFill(v -> NOT v.2, arrayMap(r -> r.{place}, laid)) AS kept")
        earlier.append("arrayPushFront(arrayPopBack(kept), ('', true)) AS known_last")
        cuts.append(f"(NOT (here.{place}).2 AND NOT known.2 AND (here.{place}).1 != known.1)")
        arrays, names = "laid, earlier, known_last", "here, before, known"
    stages = [
        # By time and message id: what comes after them in the tuple decides nothing.
        f"arraySort(groupArray(({', '.join(fields)}))) AS laid",
        *earlier,
        f"arraySplit(({names}) -> {' OR '.join(cuts)}, {arrays}) AS sessions",
    ]
    where = ""
    if rule.excluded_names:
        where = f" WHERE name NOT IN {binder.texts(rule.excluded_names)}"
        told.append("name")
    persons = persons_filter(binder, scope.persons)
    meant = [*rule.events, *rule.starting] if rule.events else None
    alike = all(column == EVERY for column in columns)
    tie = "toUInt8(0) AS message_id" if alike and not _told_apart(rule) else "message_id"
    rows = scan(binder, meant, scope.span, [MS, tie, *told], persons)
    return f"SELECT person, {', '.join(stages)} FROM ({rows}){where} GROUP BY person"


def _told_apart(rule: SessionRule) -> bool:
    """Whether events of one instant may cut differently."""
    return bool(rule.starting or rule.change_property)
