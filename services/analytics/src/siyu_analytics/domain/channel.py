"""Channels: sessions by where they come from. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    check_breakdown,
    filled,
    folded,
    limit_of,
    ranked,
)
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.predicate import any_of
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.session_rule import (
    LOOKED,
    VIEWS,
    SessionRule,
    check_events,
    persons_sessions_sql,
    sessions_sql,
)
from siyu_analytics.domain.value_text import property_text

_SCALE: Final = 10_000
PARTS: Final = ("fresh", "registered", "opened", "deposited", "retained")
"""What is asked of a person in a channel, beside being there."""


class Milestones(NamedTuple):
    """Events that persons are counted by; None: nobody has it."""

    fresh: EventFilter | None = None
    registered: EventFilter | None = None
    opened: EventFilter | None = None
    deposited: EventFilter | None = None


NO_MILESTONES: Final = Milestones()
FIELDS: Final = ("new_event", "register_event", "open_event", "deposit_event")
"""Their fields in the contract, in the same order."""


@dataclass(frozen=True, slots=True)
class Channels:
    """A ``Question``."""

    scope: Scope
    rule: SessionRule
    channel: Breakdown | None
    pages: tuple[EventFilter, ...] = ()
    milestones: Milestones = NO_MILESTONES
    amount_property: str = ""

    @property
    def limit(self) -> int:
        """Channels kept."""
        return limit_of(self.channel)

    def filled(self, now_ms: int) -> "Channels":
        """With every default in its place."""
        channel = filled(self.channel)
        scope = self.scope.filled(now_ms)
        return replace(self, scope=scope, rule=self.rule.filled(), channel=channel)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        self.rule.check("rule")
        by_event = self.channel is not None and not self.channel.by_trait
        require(by_event, "channel", "by a property of the event")
        if self.channel is not None:
            check_breakdown(self.channel, "channel")
        check_events(self.pages, "pages")
        for field, event in zip(FIELDS, self.milestones, strict=True):
            if event is not None:
                check_event(event, field)
        if self.amount_property:
            check_name(self.amount_property, "amount_property")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by sessions."""
        return ranked(binder, self.channel, _sources(binder, self)) if self.channel else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``everything``, ``place`` and the numbers; the total first."""
        parts = ", ".join(f"uniqExactIf(person, {part}) AS {part}_persons" for part in PARTS)
        return binder.query(
            "SELECT toBool(grouping(place)) AS everything, place, sum(visits) AS all_visits,"
            f" uniqExact(person) AS persons, {parts}, sum(views) AS all_views,"
            " sum(looked) AS all_looked, sum(bounces) AS all_bounces,"
            f" toString(sum(amount)) AS all_amount FROM ({_persons(binder, self, kept)})"
            " GROUP BY GROUPING SETS ((place), ())"
            " ORDER BY everything DESC, place.3, all_visits DESC, place.2, place.1"
        )

    def members(self, binder: Binder, cell: "ChannelCell", kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        where = [cell.part] if cell.part else ["true"]
        if cell.group is not None:
            flags = ", ".join(str(flag).lower() for flag in cell.group[1:])
            where.append(f"place = ({binder.text(cell.group.value)}, {flags})")
        return f"SELECT person FROM ({_persons(binder, self, kept)}) WHERE {' AND '.join(where)}"


class ChannelCell(NamedTuple):
    """The persons of a channel, or those with a part of it."""

    group: GroupKey | None
    part: str = ""
    """One of ``PARTS``; '' for all."""


def _persons(binder: Binder, asked: Channels, kept: Sequence[GroupKey] | None) -> str:
    """A SELECT of each person in each channel: ``person``, ``place``, sums, and ``PARTS``.

    A person's sessions are counted in arrays: the engine groups by person once.
    """
    zone = binder.text(asked.scope.zone)
    began = "fromUnixTimestamp64Milli(s[1].1, 'UTC')"
    of_session = {
        "day": f"toInt64(toInt32(toDate({began}, {zone})))",
        "viewed": VIEWS,
        "seen": LOOKED,
        "brought": "arraySum(arrayMap(r -> r.5, s))",
        **{f"had_{part}": f"arrayExists(r -> r.{n}, s)" for n, part in enumerate(PARTS[:4], 6)},
    }
    arrays = [f"arrayMap(s -> {each}, sessions) AS all_{name}" for name, each in of_session.items()]
    arrays.append(
        f"arrayMap(split -> {folded(binder, kept)}, arrayMap(s -> s[1].4, sessions)) AS all_place"
    )
    rows = persons_sessions_sql(binder, _rule(asked), asked.scope, _columns(binder, asked))
    laid_out = f"SELECT person, {', '.join(arrays)}, arrayDistinct(all_day) AS days FROM ({rows})"
    joined = ", ".join(f"all_{name} AS {name}" for name in (*of_session, "place"))
    had = ", ".join(f"max(had_{part}) AS {part}" for part in PARTS[:4])
    return (
        "SELECT person, place, count() AS visits, sum(viewed) AS views, sum(seen) AS looked,"
        f" sum(brought) AS amount, countIf(viewed = 1) AS bounces, {had},"
        " has(any(days), min(day) + 1) AS retained"
        f" FROM ({laid_out}) ARRAY JOIN {joined} GROUP BY person, place"
    )


def _sources(binder: Binder, asked: Channels) -> str:
    """A SELECT of the sessions' channels as ``split``."""
    rows = sessions_sql(binder, _rule(asked), asked.scope, _columns(binder, asked))
    return f"SELECT session[1].4 AS split FROM ({rows})"


def _rule(asked: Channels) -> SessionRule:
    """The rule that also sees the events that are counted."""
    rule = asked.rule
    if not rule.events:
        return rule
    more = [event for event in asked.milestones if event is not None]
    return replace(rule, events=(*rule.events, *asked.pages, *more))


def _columns(binder: Binder, asked: Channels) -> list[str]:
    """Of an event: whether it is a page view, the channel, the amount and the milestones."""
    by = asked.channel or Breakdown("")
    key = binder.text(asked.amount_property)
    marks = [any_of(binder, [event]) if event else "false" for event in asked.milestones]
    amount = "toInt128(0)"
    if asked.amount_property and asked.milestones.deposited is not None:
        amount = f"if({marks[3]}, toInt128(round(number_properties[{key}] * {_SCALE})), 0)"
    return [
        any_of(binder, asked.pages) if asked.pages else "true",
        property_text(binder, by.name),
        amount,
        *marks,
    ]
