"""Paths from an event or to it, one of each session. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import Breakdown, GroupKey, ranked
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter, check_event, check_property
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.session_rule import SessionRule, sessions_sql
from siyu_analytics.domain.value_text import property_text

_MAX_LIMIT_MS: Final = 5 * 3_600_000
_DEFAULT_LIMIT_MS: Final = 30 * 60_000
_MAX_STEPS: Final = 20
_MAX_NODES: Final = 100
MARK: Final = "\0"
"""Between the name of an event and 'v' with a value, or 'm' where there is none."""
ENDED: Final = 0
CUT: Final = 1
GOES_ON: Final = 2


@dataclass(frozen=True, slots=True)
class Paths:
    """A ``Question``."""

    scope: Scope
    rule: SessionRule
    target: EventFilter
    backwards: bool = False
    limit_ms: int = 0
    steps: int = 0
    nodes: int = 0
    split_event: str = ""
    split_property: str = ""

    @property
    def limit(self) -> int:
        """Names kept."""
        return self.nodes

    def filled(self, now_ms: int) -> "Paths":
        """With every default in its place."""
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            rule=self.rule.filled(),
            limit_ms=self.limit_ms or _DEFAULT_LIMIT_MS,
            steps=self.steps or 5,
            nodes=self.nodes or 20,
        )

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        self.rule.check("rule")
        check_event(self.target, "target")
        within = 1_000 <= self.limit_ms <= _MAX_LIMIT_MS
        require(within, "limit_ms", f"1000 to {_MAX_LIMIT_MS} ms")
        require(2 <= self.steps <= _MAX_STEPS, "steps", f"2 to {_MAX_STEPS}")
        require(1 <= self.nodes <= _MAX_NODES, "nodes", f"1 to {_MAX_NODES}")
        if self.split_event or self.split_property:
            check_name(self.split_event, "split_event")
            check_property(self.split_property, "split_property")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; names by the number of nodes."""
        rows = f"SELECT (arrayJoin(names), false) AS split FROM ({_paths(binder, self)})"
        return ranked(binder, Breakdown("", limit=self.nodes), rows)

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of nodes (``whole``) and of what follows them.

        Columns: ``step`` from 0 on, ``here`` and ``there`` (name, other), ``fate`` (``ENDED``,
        ``CUT``, ``GOES_ON``), ``paths``, ``persons``.
        """
        return binder.query(
            "SELECT toBool(grouping(fate)) AS whole, step, here, there, fate, count() AS paths,"
            f" uniqExact(person) AS persons FROM ({_moves(binder, self, kept)})"
            " GROUP BY GROUPING SETS ((step, here), (step, here, there, fate))"
            " ORDER BY step, whole DESC, paths DESC, here, fate, there"
        )

    def members(self, binder: Binder, cell: "PathCell", kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        where = [f"step = {binder.whole(cell.step)}", f"here = {_name(binder, cell.group)}"]
        if cell.fate is not None:
            where.append(f"fate = {binder.whole(cell.fate)}")
        if cell.to is not None:
            where.append(f"there = {_name(binder, cell.to)}")
        return f"SELECT person FROM ({_moves(binder, self, kept)}) WHERE {' AND '.join(where)}"


class PathCell(NamedTuple):
    """The persons of a node, of those of it that end there, or of a link."""

    step: int
    group: GroupKey
    fate: int | None
    to: GroupKey | None

    @property
    def folded(self) -> bool:
        """Whether the names that are kept have to be known."""
        return self.group.other or (self.to is not None and self.to.other)


def _name(binder: Binder, group: GroupKey) -> str:
    return f"({binder.text(group.value)}, {str(group.other).lower()})"


def _moves(binder: Binder, asked: Paths, kept: Sequence[GroupKey] | None) -> str:
    """A SELECT of ``person``, ``step``, ``here``, ``there``, ``fate``, a row a node of a path."""
    named = "(n, false)"
    if kept is not None:
        values = binder.texts([group.value for group in kept])
        named = f"if(has({values}, n), (n, false), ('', true))"
    last = f"if(more, toInt64({CUT}), toInt64({ENDED}))"
    return (
        "SELECT person, toInt64(place - 1) AS step, here, there, fate FROM ("
        f"SELECT person, arrayMap(n -> {named}, names) AS named,"
        " arrayPushBack(arrayPopFront(named), ('', false)) AS nexts,"
        f" arrayMap(i -> if(i = length(named), {last}, toInt64({GOES_ON})), arrayEnumerate(named))"
        f" AS fates FROM ({_paths(binder, asked)}))"
        " ARRAY JOIN named AS here, nexts AS there, fates AS fate, arrayEnumerate(named) AS place"
    )


def _paths(binder: Binder, asked: Paths) -> str:
    """A SELECT of ``person``, ``names`` from the target away, and whether there is ``more``."""
    name = "toString(name)"
    if asked.split_event:
        value = property_text(binder, asked.split_property)
        split = f"if(({value}).2, 'm', concat('v', ({value}).1))"
        own = f"name = {binder.text(asked.split_event)}"
        name = f"if({own}, concat(toString(name), char(0), {split}), toString(name))"
    target = event_predicate(binder, asked.target)
    rule = asked.rule
    if rule.events:
        rule = replace(rule, events=(*rule.events, asked.target))
    rows = sessions_sql(binder, rule, asked.scope, [target, name])
    session = "arrayReverse(session)" if asked.backwards else "session"
    limit = binder.whole(asked.limit_ms)
    return (
        f"SELECT person, {session} AS ordered, arrayFirstIndex(r -> r.3, ordered) AS at,"
        " ordered[at].1 AS began,"
        f" arrayFilter(r -> abs(r.1 - began) <= {limit}, arraySlice(ordered, at)) AS near,"
        f" arrayMap(r -> r.4, arraySlice(near, 1, {asked.steps})) AS names,"
        f" length(near) > {asked.steps} AS more"
        f" FROM ({rows}) WHERE at > 0"
    )
