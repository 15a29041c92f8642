"""Chains of steps: how far each person came, and when, as arrays in the engine.

The engine's own ``windowFunnel`` is not used: with ``strict_increase`` it forgets an entry when
a later one comes (A at 1, A and B at 2 gives 1, not 2), and it tells neither path nor entry.

Of each person all moments are laid out by time; events of one millisecond are one moment, because
times along a chain increase strictly. Every moment carries a mask of what its events are; the walks
over the moments (``walks``) give every entry the chain that starts with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.orders import Order
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.value_text import property_text
from siyu_analytics.domain.walks import ENTRY, FIRST_EXCLUSION, Steps, walked
from siyu_analytics.domain.windows import Rolling, Span, Unit, window_span


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An event that must not lie strictly between two steps, by their places."""

    event: EventFilter
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chains are sought."""

    steps: Sequence[EventFilter]
    entries: Span
    """When the first step may happen."""
    events: Span
    """When any step may happen."""
    window_ms: int
    """Greatest time from the first step to the last."""
    order: Order = Order.SEQUENTIAL
    exclusions: Sequence[Exclusion] = ()
    same_property: str = ""
    """Property that all of a chain's events have one value of; empty: none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is told of one of a path's events: an expression over it, and which step it is."""

    expression: str
    step: int = 0


def chain_sql(
    binder: Binder, chain: Chain, *, origin: Origin | None = None, persons: str = ""
) -> str:
    """A SELECT of ``person``, ``path`` (milliseconds of the steps reached) and ``origin``.

    Of the chains of a person it is the longest; of equally long ones the earliest, with NEAREST the
    one that ends first. ``origin`` is of the event at the step's time that is this step (of several
    the one with the smallest message id), a value with the type of ``(text, missing)`` and
    ('', true) where the path does not reach the step. Persons without an entry are left out.
    """
    steps = len(chain.steps)
    columns = [_moment(binder, chain.order), f"{_mask(binder, chain)} AS hit"]
    keys = "person"
    if chain.same_property:
        columns.append(f"{property_text(binder, chain.same_property)} AS shared")
        keys = "person, shared"
    if origin:
        columns += ["message_id", f"{origin.expression} AS origin_value"]
    meant = [*chain.steps, *(item.event for item in chain.exclusions)]
    rows = scan(binder, meant, chain.events, columns, persons)
    told = f", {_told(chain, origin)} AS origin_at" if origin else ""
    only = " WHERE NOT shared.2" if chain.same_property else ""
    moments = (
        f"SELECT {keys}, ms, groupBitOr(hit) AS mask{told} FROM ({rows}){only} GROUP BY {keys}, ms"
    )
    packed = "ms, mask, origin_at" if origin else "ms, mask"
    stages = [
        f"arraySort(m -> m.1, groupArray(({packed}))) AS moments",
        "arrayMap(m -> m.1, moments) AS times",
        "arrayMap(m -> m.2, moments) AS masks",
        *walked(Steps(steps, chain.order, binder.whole(chain.window_ms), _cuts(chain))),
    ]
    listed = "person, path"
    if origin:
        found = f"arrayFirst((m, t) -> t = path[{origin.step + 1}], moments, times).3"
        stages.append(f"if(length(path) > {origin.step}, {found}, ('', true)) AS origin")
        listed += ", origin"
    laid_out = f"SELECT {keys}, {', '.join(stages)} FROM ({moments}) GROUP BY {keys}"
    found = f"SELECT {listed} FROM ({laid_out}) WHERE notEmpty(path)"
    return (
        _best(laid_out, chain.order, with_origin=origin is not None)
        if chain.same_property
        else found
    )


def _best(laid_out: str, order: Order, *, with_origin: bool) -> str:
    """Of the chains of each shared value a person's one."""
    rank = "path"
    if order is Order.NEAREST:
        rank = "path[-1], arrayMap(t -> -t, arrayReverse(path))"
    kept = "(path, origin)" if with_origin else "tuple(path)"
    best = (
        f"SELECT person, argMin({kept}, (-toInt64(length(path)), {rank}, shared)) AS kept"
        f" FROM ({laid_out}) WHERE notEmpty(path) GROUP BY person"
    )
    origin = ", kept.2 AS origin" if with_origin else ""
    return f"SELECT person, kept.1 AS path{origin} FROM ({best})"


def _moment(binder: Binder, order: Order) -> str:
    """Column: when an event happened, as precisely as the order looks."""
    if order is not Order.GROWINGIO_TOLERANT:
        return MS
    basis = binder.basis
    zone = binder.text(basis.zone)
    today = window_span(Rolling(1, Unit.DAY), basis.as_of_ms, basis.zone).low
    hour, day = (f"toUnixTimestamp(toStartOf{unit}(time, {zone}))" for unit in ("Hour", "Day"))
    return f"toInt64(if(time >= {binder.time(today)}, {hour}, {day})) * 1000 AS ms"


def _mask(binder: Binder, chain: Chain) -> str:
    """What an event is, a bit each: a step, an entry, an exclusion."""
    fits = [event_predicate(binder, step) for step in chain.steps]
    entry = f"({' OR '.join(fits)})" if chain.order is Order.ANY_ORDER else fits[0]
    if chain.entries != chain.events:
        low, high = binder.time(chain.entries.low), binder.time(chain.entries.high)
        entry = f"({entry} AND time >= {low} AND time < {high})"
    bits = [*enumerate(fits), (ENTRY, entry)]
    bits += [
        (FIRST_EXCLUSION + place, event_predicate(binder, item.event))
        for place, item in enumerate(chain.exclusions)
    ]
    return f"toUInt64({' + '.join(f'toUInt64({test}) * {1 << bit}' for bit, test in bits)})"


def _told(chain: Chain, origin: Origin) -> str:
    if chain.order is Order.ANY_ORDER:
        fits = f"bitAnd(hit, {(1 << len(chain.steps)) - 1}) != 0"
    else:
        fits = f"bitTest(hit, {origin.step or ENTRY})"
    return f"argMinIf(origin_value, message_id, {fits})"


def _cuts(chain: Chain) -> dict[int, int]:
    """Of each step but the first the bits that, strictly before it, end a chain."""
    every = (1 << len(chain.steps)) - 1
    cuts = {}
    for step in range(1, len(chain.steps)):
        bits = 0
        if chain.order is Order.STRICT:
            bits = every
        elif chain.order is Order.STRICT_DEDUP:
            bits = (1 << step) - 1
        for place, item in enumerate(chain.exclusions):
            if item.from_step < step <= item.to_step:
                bits |= 1 << (FIRST_EXCLUSION + place)
        cuts[step] = bits
    return cuts
