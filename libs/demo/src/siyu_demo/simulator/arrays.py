"""The array types of the simulator, and its sources of chance."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Rng: TypeAlias = np.random.Generator

NEVER = np.int64(2**62)
"""A time for what does not happen: later than any other."""

NONE = -1
"""An index that points nowhere."""


def chance(seed: int, *purpose: int) -> Rng:
    """Makes the generator of one purpose, so that parts do not change one another's draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *purpose])))


def pick(rng: Rng, weights: list[float], size: int) -> Ints:
    """Draws indexes into `weights`, each as often as its weight says."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return ints(np.minimum(drawn, len(weights) - 1))


def ints(values: npt.ArrayLike) -> Ints:
    """Cuts numbers down to whole ones."""
    whole: Ints = np.asarray(values).astype(np.int64)
    return whole
