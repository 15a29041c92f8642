"""A re-stitch held against what is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from siyu_identity.domain.hanging import Numbers
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import Refusal
from siyu_identity.domain.restitch import Stitched
from siyu_identity.domain.world import KEY_BYTES, World
from siyu_kit.crypto import sm3

SAMPLE: Final = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was counted; the fields are those of the contract."""

    identifiers: int
    links: int
    persons_served: int
    persons: int
    moved: int
    quarantined_served: int
    quarantined: int
    conflicts_served: int
    conflicts: int
    digest_served: str
    digest: str
    sample: list[tuple[int, int, int]]
    """Identifier, person as served, person of the run."""


def compare(world: World, stitched: Stitched) -> Comparison:
    """Count and digest both sides."""
    served = Stitched(world.persons, world.quarantined, world.conflicts)
    was, now = (np.frombuffer(side.persons, np.int32) for side in (served, stitched))
    moved = np.flatnonzero(was != now)
    first = moved[:SAMPLE]
    keys = np.frombuffer(world.keys, np.uint8).reshape(-1, KEY_BYTES)
    halves = keys.view(">u8")
    order = np.lexsort((halves[1:, 1], halves[1:, 0])) + 1
    return Comparison(
        identifiers=world.last,
        links=world.pairs,
        persons_served=len(np.unique(was)) - 1,
        persons=len(np.unique(now)) - 1,
        moved=len(moved),
        quarantined_served=sum(served.quarantined),
        quarantined=sum(stitched.quarantined),
        conflicts_served=len(served.conflicts),
        conflicts=len(stitched.conflicts),
        digest_served=_digest(world, served, keys, order),
        digest=_digest(world, stitched, keys, order),
        sample=list(zip(first.tolist(), was[first].tolist(), now[first].tolist(), strict=True)),
    )


def _digest(world: World, side: Stitched, keys: NDArray[np.uint8], order: Numbers) -> str:
    """SM3 over persons, quarantine and conflicts, by key: the same in every rebuild."""
    rows = np.empty((len(order), 2 * KEY_BYTES + 1), np.uint8)
    rows[:, :KEY_BYTES] = keys[order]
    rows[:, KEY_BYTES:-1] = keys[np.frombuffer(side.persons, np.int32)[order]]
    rows[:, -1] = np.frombuffer(side.quarantined, np.uint8)[order]
    return sm3(rows.tobytes() + b"".join(sorted(_lines(world, side.conflicts)))).hex()


def _lines(world: World, conflicts: Mapping[Pair, Refusal]) -> list[bytes]:
    return [
        b"".join(sorted(map(world.key, pair))) + f"{refusal.reason}:{refusal.type}".encode()
        for pair, refusal in conflicts.items()
    ]
