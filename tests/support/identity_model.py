"""The identity graph as a plain set: what every implementation must come to."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from siyu_identity.domain.evidence import NOTHING, Edge, Identifier
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.presets import BROKER
from siyu_identity.domain.resolver import Resolution, resolve

Statement = tuple[Identifier, Identifier, Edge]


@dataclass(frozen=True)
class PlainNode:
    """A node of the reference."""

    no: int
    type: str
    key: bytes
    flags: int = 0


def plain_key(identifier: Identifier) -> bytes:
    """Stands in for the keyed digest."""
    return hashlib.sha256(f"{identifier.type}\x1f{identifier.value}".encode()).digest()[:16]


def joined(statements: Iterable[Statement]) -> dict[frozenset[Identifier], Edge]:
    """The evidence set."""
    evidence: dict[frozenset[Identifier], Edge] = {}
    for left, right, edge in statements:
        pair = frozenset((left, right))
        evidence[pair] = evidence.get(pair, NOTHING).join(edge)
    return evidence


@dataclass(frozen=True)
class Reference:
    """Persons by their anchors, quarantine, and links turned down."""

    anchors: dict[Identifier, Identifier]
    quarantined: frozenset[Identifier]
    conflicts: frozenset[frozenset[Identifier]]


def reference(
    statements: Iterable[Statement],
    key: Callable[[Identifier], bytes] = plain_key,
    numbering: Callable[[Identifier], bytes] | None = None,
    *,
    policy: IdTypePolicy = BROKER,
    apart: Iterable[frozenset[Identifier]] = (),
    retired: Iterable[Identifier] = (),
) -> Reference:
    """One pass over all evidence at once."""
    evidence, gone = joined(statements), set(retired)
    names = sorted({item for pair in evidence for item in pair}, key=numbering or tuple)
    numbers = {name: no for no, name in enumerate(names, 1)}
    nodes = {
        no: PlainNode(no, name.type, key(name), _flags(name, policy, gone))
        for name, no in numbers.items()
    }
    edges: dict[Pair, Edge] = {}
    for pair, edge in evidence.items():
        left, right = sorted(numbers[item] for item in pair)
        edges[left, right] = edge
    fences = {
        (min(pair), max(pair))
        for pair in ({numbers[item] for item in ends if item in numbers} for ends in apart)
        if len(pair) == 2
    }
    return by_name(names, resolve(nodes, edges, policy, fences))


def _flags(name: Identifier, policy: IdTypePolicy, retired: set[Identifier]) -> int:
    blocked = Flag.BLOCKED if policy.is_blocked(*name) else Flag.NONE
    return blocked | (Flag.RETIRED if name in retired else Flag.NONE)


def by_name(names: list[Identifier], resolution: Resolution) -> Reference:
    """A resolution in identifiers instead of numbers."""
    return Reference(
        {names[no - 1]: names[anchor - 1] for no, anchor in resolution.anchors.items()},
        frozenset(names[no - 1] for no in resolution.quarantined),
        frozenset(frozenset(names[no - 1] for no in pair) for pair in resolution.conflicts),
    )
