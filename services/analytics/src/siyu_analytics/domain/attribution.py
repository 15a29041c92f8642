"""Attribution: which touches a conversion is owed to. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    DEFAULT_LIMIT,
    NOWHERE,
    Breakdown,
    GroupKey,
    check_breakdown,
    filled,
    in_group,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter, check_event, check_property
from siyu_analytics.domain.predicate import any_of, event_predicate
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text
from siyu_analytics.domain.windows import Span

SCALE: Final = 10_000
_DAY_MS: Final = 86_400_000
_MAX_WINDOW_MS: Final = 3_650 * _DAY_MS
_MAX_TOUCHES: Final = 8
_ALL, _DIRECT, _OWED = 1, 2, 3
"""Kinds of items: a conversion, one without a touch once more, what a touch is owed of one."""


class Model(Enum):
    """How a conversion is shared; see ``AttributionModel`` in the contract."""

    FIRST = "first"
    LAST = "last"
    LINEAR = "linear"
    POSITION = "position"
    DECAY = "decay"


@dataclass(frozen=True, slots=True)
class Attribution:
    """A ``Question``."""

    scope: Scope
    target: EventFilter
    amount_property: str
    touches: tuple[EventFilter, ...]
    window_ms: int = 0
    model: Model = Model.LAST
    half_life_ms: int = 0
    breakdown: Breakdown | None = None
    same_property: str = ""

    @property
    def limit(self) -> int:
        """Kinds of touches kept."""
        return self.breakdown.limit if self.breakdown else DEFAULT_LIMIT

    def filled(self, now_ms: int) -> "Attribution":
        """With every default in its place."""
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            window_ms=self.window_ms or 7 * _DAY_MS,
            half_life_ms=self.half_life_ms or 7 * _DAY_MS,
            breakdown=filled(self.breakdown),
        )

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_event(self.target, "target")
        if self.amount_property:
            check_name(self.amount_property, "amount_property")
        touches = len(self.touches)
        require(1 <= touches <= _MAX_TOUCHES, "touches", f"1 to {_MAX_TOUCHES} events")
        for place, touch in enumerate(self.touches):
            check_event(touch, f"touches[{place}]")
        for field, length in (("window_ms", self.window_ms), ("half_life_ms", self.half_life_ms)):
            within = 1_000 <= length <= _MAX_WINDOW_MS
            require(within, field, f"1000 to {_MAX_WINDOW_MS} ms")
        if self.breakdown is not None:
            check_breakdown(self.breakdown, "breakdown")
        if self.same_property:
            check_property(self.same_property, "same_property")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by touches of conversions."""
        return ranked(binder, Breakdown("", limit=self.limit), _owed(binder, self))

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``kind`` ('all', 'direct', 'owed', 'touch'), ``place`` and the numbers."""
        place = placed(binder, Breakdown(""), kept)
        counted = (
            "SELECT ['all', 'direct', 'owed'][item] AS kind, place,"
            " uniqExact((person, conversion)) AS conversions, uniqExact(person) AS persons,"
            f" uniqExactIf((person, touch), item = {_OWED}) AS touches, sum(credit) AS credit,"
            " sum(share) AS amount FROM (SELECT item, person, conversion, touch, credit, share,"
            f" if(item = {_OWED}, place, {NOWHERE}) AS place"
            f" FROM (SELECT *, {place} FROM ({_items(binder, self)}))) GROUP BY item, place"
        )
        seen = (
            f"SELECT 'touch' AS kind, {place}, toUInt64(0) AS conversions,"
            " toUInt64(0) AS persons, count() AS touches, toInt128(0) AS credit,"
            f" toInt128(0) AS amount FROM ({_touches(binder, self)}) GROUP BY place"
        )
        return binder.query(
            "SELECT kind, place, conversions, persons, touches, toString(credit) AS credit,"
            f" toString(amount) AS amount FROM ({counted} UNION ALL {seen})"
            " ORDER BY kind, place.3, touches DESC, place.2, place.1"
        )

    def members(
        self, binder: Binder, cell: "AttributionCell", kept: Sequence[GroupKey] | None
    ) -> str:
        """See ``Question``."""
        if cell.group is None:
            where = " WHERE empty(near)" if cell.direct else ""
            return f"SELECT person FROM ({_conversions(binder, self)}){where}"
        (where,) = in_group(binder, cell.group, kept)
        return f"SELECT person FROM ({_owed(binder, self)}) WHERE {where}"


class AttributionCell(NamedTuple):
    """The persons who converted: after a kind of touch, without one, or all."""

    group: GroupKey | None
    direct: bool


def _touches(binder: Binder, asked: Attribution) -> str:
    """A SELECT of the touches up to the end of the range: ``person`` and ``split``."""
    scope = asked.scope
    span = Span(max(0, scope.from_ms - asked.window_ms), scope.to_ms).until(scope.as_of_ms)
    persons = persons_filter(binder, scope.persons)
    by = asked.breakdown
    if by is not None and by.by_trait:
        return with_trait(binder, by, scan(binder, asked.touches, span, [], persons))
    return scan(binder, asked.touches, span, [f"{_kind(binder, by)} AS split"], persons)


def _kind(binder: Binder, by: Breakdown | None) -> str:
    """The kind of a touch that is told by the touch itself."""
    return property_text(binder, by.name) if by is not None else "(toString(name), false)"


def _conversions(binder: Binder, asked: Attribution) -> str:
    """A SELECT of ``person``, ``conversion``, ``at``, ``amount``, ``near``, a row a conversion.

    ``conversion`` is its number among the person's, ``at`` its time in milliseconds, ``near`` its
    touches by time: tuples of time, kind and number among the person's.
    """
    scope = asked.scope
    span = Span(max(0, scope.from_ms - asked.window_ms), scope.to_ms).until(scope.as_of_ms)
    by = asked.breakdown if asked.breakdown and not asked.breakdown.by_trait else None
    low = binder.time(scope.from_ms)
    columns = [
        MS,
        "message_id",
        f"{_kind(binder, by)} AS kind",
        f"{_amount(binder, asked)} AS worth",
        f"{any_of(binder, asked.touches)} AS touches",
        f"{event_predicate(binder, asked.target)} AND time >= {low} AS converts",
    ]
    linked, equal = "false", ""
    if asked.same_property:
        linked = property_text(binder, asked.same_property)
        equal = " AND NOT (t.4).2 AND NOT (c.3).2 AND (t.4).1 = (c.3).1"
    columns.append(f"{linked} AS linked")
    persons = persons_filter(binder, scope.persons)
    rows = scan(binder, [*asked.touches, asked.target], span, columns, persons)
    laid_out = (
        "SELECT person, arraySort(t -> (t.1, t.2),"
        " groupArrayIf((ms, message_id, kind, linked), touches)) AS laid,"
        " arrayMap((t, i) -> (t.1, t.3, i, t.4), laid, arrayEnumerate(laid)) AS touched,"
        " groupArrayIf((ms, worth, linked), converts) AS converted"
        f" FROM ({rows}) GROUP BY person HAVING notEmpty(converted)"
    )
    window = binder.whole(asked.window_ms)
    return (
        "SELECT person, conversion, c.1 AS at, c.2 AS amount,"
        f" arrayFilter(t -> t.1 < c.1 AND t.1 >= c.1 - {window}{equal}, touched) AS near"
        f" FROM ({laid_out}) ARRAY JOIN converted AS c, arrayEnumerate(converted) AS conversion"
    )


def _amount(binder: Binder, asked: Attribution) -> str:
    if not asked.amount_property:
        return f"toInt128({SCALE})"
    return f"toInt128(round(number_properties[{binder.text(asked.amount_property)}] * {SCALE}))"


def _owed(binder: Binder, asked: Attribution) -> str:
    """A SELECT of what each touch of each conversion is owed; columns see ``_items``."""
    return f"SELECT * FROM ({_items(binder, asked)}) WHERE item = {_OWED}"


def _items(binder: Binder, asked: Attribution) -> str:
    """A SELECT of every conversion, of those without a touch again, and of what each touch is owed.

    Columns: ``item``, ``person``, ``conversion``, ``touch`` (its number among the person's),
    ``split``, and in ten-thousandths ``credit`` and ``share``. A share is the difference of two
    rounded sums, so that shares add up exactly. All in one pass: laying a person's events out is
    what takes the time.
    """
    sums = _sums(asked)
    shared = (
        f"SELECT person, conversion, at, amount, near, length(near) AS k{_ages(binder, asked)},"
        f" arrayMap(i -> {sums.format(whole='toFloat64(amount)')}, arrayEnumerate(near)) AS upto,"
        f" arrayMap(i -> {sums.format(whole=f'toFloat64({SCALE})')}, arrayEnumerate(near)) AS parts"
        f" FROM ({_conversions(binder, asked)})"
    )
    # Of a conversion without a touch two items, else one and those of its touches.
    size = "k + if(k = 0, 2, 1)"
    others = f"toUInt8(if(k = 0, {_DIRECT}, {_OWED}))"
    items = f"arrayPushFront(arrayResize(emptyArrayUInt8(), {size} - 1, {others}), {_ALL})"
    touches = f"arrayResize(arrayPushFront(near, near[1]), {size})"
    shares = f"arrayResize(arrayPushFront({_steps('upto')}, amount), {size}, amount)"
    whole = f"toInt128({SCALE})"
    credit = f"arrayResize(arrayPushFront({_steps('parts')}, {whole}), {size}, {whole})"
    rows = (
        "SELECT item, person, conversion, of.3 AS touch, of.2 AS split, share, credit"
        f" FROM ({shared}) ARRAY JOIN {items} AS item, {touches} AS of, {shares} AS share,"
        f" {credit} AS credit"
    )
    by = asked.breakdown
    if by is not None and by.by_trait:
        bare = f"SELECT item, person, conversion, touch, share, credit FROM ({rows})"
        return with_trait(binder, by, bare)
    return rows


def _steps(sums: str) -> str:
    """SQL: the steps between running sums, each sum rounded half to even."""
    rounded = f"arrayMap(x -> toInt128(roundBankers(x)), {sums})"
    before = f"arrayResize(arrayPushFront({rounded}, toInt128(0)), length({sums}))"
    return f"arrayMap((x, y) -> x - y, {rounded}, {before})"


def _sums(asked: Attribution) -> str:
    """SQL: what the first ``i`` of ``k`` touches are owed together of ``{whole}``."""
    match asked.model:
        case Model.FIRST:
            return "{whole}"
        case Model.LAST:
            return "if(i = k, {whole}, 0.)"
        case Model.LINEAR:
            return "{whole} * i / k"
        case Model.POSITION:
            inner = "{whole} * (40 * (k - 2) + 20 * (toInt64(i) - 1)) / (100 * (k - 2))"
            return f"multiIf(i = k, {{whole}}, k = 2, {{whole}} / 2, {inner})"
        case Model.DECAY:
            return "if(i = k, {whole}, {whole} * heavier[i] / heavier[k])"


def _ages(binder: Binder, asked: Attribution) -> str:
    """Column ``heavier``: running sums of the touches' weights by their age."""
    if asked.model is not Model.DECAY:
        return ""
    half = binder.bind(float(asked.half_life_ms), "Float64")
    weight = f"exp2((t.1 - at) / {half})"
    return f", arrayCumSum(arrayMap(t -> {weight}, near)) AS heavier"
