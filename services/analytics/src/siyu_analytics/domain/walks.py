"""Walks over a person's moments: arrays ``times`` and ``masks`` in, ``path`` out.

No entry costs more than its length, and no array is captured by a lambda, which would copy it for
every element. A step is taken from the moments after the step before; a moment with a cutting bit
in between, that is not the step itself, ends the chain.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from siyu_analytics.domain.orders import Order

ENTRY: Final = 20
"""Bit of a moment at which a chain may start; steps have the bits below."""
FIRST_EXCLUSION: Final = 24
_NONE: Final = "emptyArrayInt64()"
_NEVER: Final = "toInt64(9000000000000000000)"


class Steps(NamedTuple):
    """What is walked."""

    number: int
    order: Order
    window: str
    """SQL: the window in milliseconds."""
    cuts: Mapping[int, int]
    """Of each step but the first the bits that, strictly before it, end a chain."""


def walked(steps: Steps) -> list[str]:
    """Columns that end in ``path``, the times of a person's best chain; empty without one."""
    match steps.order:
        case Order.NEAREST:
            return _forwards(steps)
        case Order.ANY_ORDER:
            return [*_gathered(steps), *_LONGEST]
        case _:
            within = f"arrayFilter(t -> t - c[1] <= {steps.window}, c)"
            chains = f"arrayMap(c -> {within}, arrayFilter(c -> notEmpty(c), from_0)) AS chains"
            return [*_backwards(steps), chains, *_LONGEST]


_LONGEST: Final = (
    "arrayMap(c -> length(c), chains) AS lengths",
    "chains[indexOf(lengths, arrayMax(lengths))] AS path",
)


def _backwards(steps: Steps) -> list[str]:
    """``from_k``: the chain that starts with the moment as step k, empty where it is not one.

    From the last step back, every moment is given itself and the chain of the earliest later moment
    that is the next step.
    """
    stages = [f"arrayMap(t -> {_NONE}, times) AS after_{steps.number}"]
    for step in reversed(range(steps.number)):
        starts = f"if(bitTest(mask, {step or ENTRY}), arrayPushFront(rest, t), {_NONE})"
        stages.append(
            f"arrayMap((mask, t, rest) -> {starts}, masks, times, after_{step + 1}) AS from_{step}"
        )
        if step:
            nearest = _filled("arrayReverseFill", f"from_{step}", steps, step)
            # In tolerant order the moment itself may be the next step, too.
            if steps.order is not Order.GROWINGIO_TOLERANT:
                nearest = f"arrayPushBack(arrayPopFront({nearest}), {_NONE})"
            stages.append(f"{nearest} AS after_{step}")
    return stages


def _forwards(steps: Steps) -> list[str]:
    """``into_k``: the chain that ends with the moment as step k, each step the latest possible."""
    stages = [
        f"arrayMap((mask, t) -> if(bitTest(mask, {ENTRY}), [t], {_NONE}), masks, times) AS into_0"
    ]
    for step in range(1, steps.number):
        before = _filled("arrayFill", f"into_{step - 1}", steps, step)
        stages.append(f"arrayPushFront(arrayPopBack({before}), {_NONE}) AS before_{step}")
        fits = f"bitTest(mask, {step}) AND notEmpty(c) AND t - c[1] <= {steps.window}"
        stages.append(
            f"arrayMap((mask, t, c) -> if({fits}, arrayPushBack(c, t), {_NONE}),"
            f" masks, times, before_{step}) AS into_{step}"
        )
    firsts = ", ".join(
        f"arrayFirst(c -> notEmpty(c), into_{step})" for step in reversed(range(steps.number))
    )
    return [*stages, f"arrayFirst(c -> notEmpty(c), [{firsts}]) AS path"]


def _filled(function: str, chains: str, steps: Steps, step: int) -> str:
    """The nearest chain to take up at each moment; nothing comes over a moment that cuts."""
    cuts = steps.cuts[step]
    if cuts == (1 << steps.number) - 1 and not any(
        bits >> FIRST_EXCLUSION for bits in steps.cuts.values()
    ):
        return chains  # strict, and every moment is a step
    if not cuts:
        return f"{function}(c -> notEmpty(c), {chains})"
    return f"{function}((c, m) -> notEmpty(c) OR bitAnd(m, {cuts}) != 0, {chains}, masks)"


def _gathered(steps: Steps) -> list[str]:
    """``chains``: of each entry the first time of every step from it on, within the window."""
    stages = [
        f"arrayReverseFill(t -> t < {_NEVER},"
        f" arrayMap((m, t) -> if(bitTest(m, {step}), t, {_NEVER}), masks, times)) AS next_{step}"
        for step in range(steps.number)
    ]
    names = [f"n{step}" for step in range(steps.number)]
    arrays = ", ".join(f"next_{step}" for step in range(steps.number))
    reachable = f"x -> x < {_NEVER} AND x - t <= {steps.window}"
    within = f"arraySort(arrayFilter({reachable}, [{', '.join(names)}]))"
    stages.append(
        f"arrayFilter(c -> notEmpty(c), arrayMap((m, t, {', '.join(names)}) ->"
        f" if(bitTest(m, {ENTRY}), {within}, {_NONE}), masks, times, {arrays})) AS chains"
    )
    return stages
