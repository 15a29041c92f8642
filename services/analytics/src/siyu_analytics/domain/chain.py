"""Chains of steps: how far each person came, and when, as arrays in the engine.

The engine's own ``windowFunnel`` is not used: with ``strict_increase`` it forgets an entry when
a later one comes (A at 1, A and B at 2 gives 1, not 2), and it tells neither path nor entry.

Of each person all moments are laid out by time; events of one millisecond are one moment, because
times along a chain increase strictly. From the last step backwards, every moment is given the
chain that starts with it: itself and the chain of the earliest later moment that fits the next
step. No entry costs more than its length, and no array is captured by a lambda, which would copy it
for every element.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.windows import Span


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
    strict: bool = False
    """A step event in between ends the chain."""


def chain_sql(binder: Binder, chain: Chain, *, entry: str = "", persons: str = "") -> str:
    """A SELECT of ``person``, ``path`` (milliseconds of the steps reached) and ``origin``.

    Of the chains of a person it is the longest, of equally long ones the earliest. ``entry`` is an
    expression over the entry event (of several at the same millisecond, over the one with the
    smallest message id), given back as ``origin``. Persons without an entry are left out.
    """
    columns = [MS, f"{_mask(binder, chain.steps)} AS hit"]
    if entry:
        columns += ["message_id", f"{entry} AS origin_value"]
    rows = scan(binder, chain.steps, chain.events, columns, persons)
    kept = ", argMinIf(origin_value, message_id, bitTest(hit, 0)) AS origin_at" if entry else ""
    moments = f"SELECT person, ms, groupBitOr(hit) AS mask{kept} FROM ({rows}) GROUP BY person, ms"
    packed = "ms, mask, origin_at" if entry else "ms, mask"
    stages = [
        f"arraySort(m -> m.1, groupArray(({packed}))) AS moments",
        "arrayMap(m -> m.1, moments) AS times",
        "arrayMap(m -> m.2, moments) AS masks",
        *_backwards(len(chain.steps), strict=chain.strict),
        *_longest(binder, chain),
    ]
    origin = ", arrayFirst((m, t) -> t = path[1], moments, times).3 AS origin" if entry else ""
    laid_out = f"SELECT person, {', '.join(stages)}{origin} FROM ({moments}) GROUP BY person"
    listed = "person, path, origin" if entry else "person, path"
    return f"SELECT {listed} FROM ({laid_out}) WHERE notEmpty(path)"


def _mask(binder: Binder, steps: Sequence[EventFilter]) -> str:
    """The steps that an event is, a bit each."""
    bits = (
        f"toUInt32({event_predicate(binder, step)}) * {1 << position}"
        for position, step in enumerate(steps)
    )
    return f"toUInt32({' + '.join(bits)})"


def _backwards(steps: int, *, strict: bool) -> list[str]:
    """``from_k``: the chain that starts with the moment as step k, empty where it is not one."""
    none = "emptyArrayInt64()"
    stages = [f"arrayMap(t -> {none}, times) AS after_{steps}"]
    for step in reversed(range(steps)):
        starts = f"if(bitTest(mask, {step}), arrayPushFront(rest, t), {none})"
        stages.append(
            f"arrayMap((mask, t, rest) -> {starts}, masks, times, after_{step + 1}) AS from_{step}"
        )
        if step:
            nearest = (
                f"from_{step}" if strict else f"arrayReverseFill(c -> notEmpty(c), from_{step})"
            )
            stages.append(f"arrayPushBack(arrayPopFront({nearest}), {none}) AS after_{step}")
    return stages


def _longest(binder: Binder, chain: Chain) -> list[str]:
    low, high = binder.whole(chain.entries.low), binder.whole(chain.entries.high)
    window = binder.whole(chain.window_ms)
    return [
        f"arrayFilter(c -> notEmpty(c) AND c[1] >= {low} AND c[1] < {high}, from_0) AS open_chains",
        f"arrayMap(c -> arrayFilter(t -> t - c[1] <= {window}, c), open_chains) AS chains",
        "arrayMap(c -> length(c), chains) AS lengths",
        "chains[indexOf(lengths, arrayMax(lengths))] AS path",
    ]
