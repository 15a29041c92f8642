"""Heatmaps: clicks by place and by element, visits by depth. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import GroupKey, is_group
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.session_rule import check_events
from siyu_analytics.domain.value_text import property_text

MAX_POINTS: Final = 7_000
_MAX_ELEMENTS: Final = 20
TAGS: Final = ("a", "button", "input", "select", "textarea")
DEPTHS: Final = tuple(range(0, 101, 5))


class Names(NamedTuple):
    """The properties that a page's events have."""

    x: str = ""
    y: str = ""
    tag: str = ""
    element: str = ""
    link: str = ""
    depth: str = ""


DEFAULTS: Final = Names("page_x", "page_y", "element_type", "element_path", "element_href", "depth")


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A ``Question``."""

    scope: Scope
    clicks: tuple[EventFilter, ...]
    visits: tuple[EventFilter, ...]
    names: Names
    points: int = 0

    @property
    def limit(self) -> int:
        """There are no groups that are folded."""
        return 0

    def filled(self, now_ms: int) -> "Heatmap":
        """With every default in its place."""
        names = Names(*(own or usual for own, usual in zip(self.names, DEFAULTS, strict=True)))
        scope = self.scope.filled(now_ms)
        return replace(self, scope=scope, names=names, points=self.points or MAX_POINTS)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_events(self.clicks, "clicks")
        check_events(self.visits, "visits")
        require(bool(self.clicks or self.visits), "clicks", "clicks or visits")
        require(1 <= self.points <= MAX_POINTS, "points", f"1 to {MAX_POINTS}")
        for field, name in zip(Names._fields, self.names, strict=True):
            check_name(name, f"{field}_property")

    def groups(self, _binder: Binder) -> Query | None:
        """See ``Question``."""
        return None

    def answer(self, binder: Binder, _kept: Sequence[GroupKey] | None) -> Query:
        """One row: the three layers as arrays, and what each is a part of.

        A scan for each: what is sorted, or counted by person, is then the little that it has to be.
        """
        clicks = _clicks(binder, self)
        points = (
            "SELECT groupArray(x) AS across, groupArray(y) AS down FROM ("
            f"SELECT x, y FROM ({clicks}) WHERE placed ORDER BY hash, x, y LIMIT {self.points})"
        )
        rank = "(-toInt64(each.2), each.1.2, each.1.1)"
        elements = (
            "SELECT sum(here) AS clicks, sumIf(number, element) AS element_clicks,"
            f" arraySlice(arraySort(each -> {rank},"
            " groupArrayIf(((path, missing), number, people), element)),"
            f" 1, {_MAX_ELEMENTS}) AS elements"
            " FROM (SELECT is_element AS element, if(is_element, split.1, '') AS path,"
            " is_element AND split.2 AS missing, count() AS number, countIf(placed) AS here,"
            f" uniqExactIf(person, is_element) AS people FROM ({clicks})"
            " GROUP BY element, path, missing)"
        )
        visits = _visits(binder, self)
        reached = f"SELECT count() AS visits, {_each_depth('shown')} AS views FROM ({visits})"
        persons = (
            f"SELECT {_each_depth('deepest')} AS people FROM (SELECT max(shown) AS deepest"
            f" FROM ({visits}) WHERE shown >= 0 GROUP BY person)"
        )
        layers = " CROSS JOIN ".join(
            f"({layer}) AS layer_{place}"
            for place, layer in enumerate((points, elements, reached, persons))
        )
        depths = f"arrayMap((d, v, p) -> (d, v, p), {list(DEPTHS)}, views, people) AS depths"
        return binder.query(
            f"SELECT clicks, across, down, element_clicks, elements, visits, {depths} FROM {layers}"
        )

    def members(self, binder: Binder, cell: "HeatmapCell", _kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        if cell.group is not None:
            of_element = f"is_element AND {is_group(binder, cell.group, None)}"
            return f"SELECT person FROM ({_clicks(binder, self)}) WHERE {of_element}"
        return f"SELECT person FROM ({_visits(binder, self)}) WHERE shown >= {cell.depth}"


class HeatmapCell(NamedTuple):
    """The persons of an element, or those who saw a depth."""

    group: GroupKey | None
    depth: int


def _each_depth(column: str) -> str:
    """SQL: of each depth how many rows reached it."""
    return f"[{', '.join(f'countIf({column} >= {depth})' for depth in DEPTHS)}]"


def _clicks(binder: Binder, asked: Heatmap) -> str:
    """A SELECT of the clicks: ``person``, ``placed``, ``x``, ``y``, ``is_element``, ``split``."""
    names = asked.names
    across, down = (f"number_properties[{binder.text(name)}]" for name in names[:2])
    placed = [f"mapContains(number_properties, {binder.text(name)})" for name in names[:2]]
    tag = f"lower(string_properties[{binder.text(names.tag)}])"
    linked = f"string_properties[{binder.text(names.link)}] != ''"
    element = f"({tag} IN {binder.texts(TAGS)} OR ({tag} = 'svg' AND {linked}))"
    columns = [
        f"{' AND '.join(placed)} AS placed",
        f"{across} AS x",
        f"{down} AS y",
        "sipHash64(message_id) AS hash",
        f"{element} AS is_element",
        f"{property_text(binder, names.element)} AS split",
    ]
    return _rows(binder, asked, asked.clicks, columns)


def _visits(binder: Binder, asked: Heatmap) -> str:
    """A SELECT of the visits that tell how deep they went: ``person`` and ``shown``."""
    key = binder.text(asked.names.depth)
    columns = [
        f"number_properties[{key}] AS shown",
        f"mapContains(number_properties, {key}) AS told",
    ]
    return f"SELECT * FROM ({_rows(binder, asked, asked.visits, columns)}) WHERE told"


def _rows(
    binder: Binder, asked: Heatmap, events: Sequence[EventFilter], columns: Sequence[str]
) -> str:
    persons = persons_filter(binder, asked.scope.persons)
    return scan(binder, events, asked.scope.span, columns, persons)
