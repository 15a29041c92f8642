"""A whole project in flat arrays, so that millions of links fit into memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from siyu_identity.domain.evidence import is_live
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import Refusal

KEY_BYTES = 16

Link = tuple[int, int, int, int, int, int]
"""Two identifiers by number, and the fields of ``evidence.Edge``."""


@dataclass(slots=True)
class World:
    """The identifiers of a project by number, which is dense from 1, and their live links."""

    names: list[str] = field(default_factory=lambda: [""])
    """The types that occur; an identifier holds the place of its own in this list."""
    kinds: bytearray = field(default_factory=lambda: bytearray(1))
    keys: bytearray = field(default_factory=lambda: bytearray(KEY_BYTES))
    flags: bytearray = field(default_factory=lambda: bytearray(1))
    persons: array[int] = field(default_factory=lambda: array("i", [0]))
    """Whose each one is, as served."""
    quarantined: bytearray = field(default_factory=lambda: bytearray(1))
    """Whether it is in quarantine, as served."""
    lefts: array[int] = field(default_factory=lambda: array("i"))
    rights: array[int] = field(default_factory=lambda: array("i"))
    strengths: bytearray = field(default_factory=bytearray)
    firsts: array[int] = field(default_factory=lambda: array("q"))
    apart: set[Pair] = field(default_factory=set)
    conflicts: dict[Pair, Refusal] = field(default_factory=dict)
    """Refused links, as served."""
    pairs: int = 0
    """Pairs with evidence, live or not."""

    @property
    def last(self) -> int:
        """The last number, and how many identifiers there are."""
        return len(self.kinds) - 1

    def key(self, number: int) -> bytes:
        """The key of an identifier."""
        return bytes(self.keys[number * KEY_BYTES : (number + 1) * KEY_BYTES])

    def type(self, number: int) -> str:
        """The type of an identifier."""
        return self.names[self.kinds[number]]

    def add_identifiers(
        self,
        types: Sequence[str],
        keys: Iterable[bytes],
        flags: Iterable[int],
        persons: Iterable[int],
        quarantined: Iterable[bool],
    ) -> None:
        """The identifiers with the next numbers, column by column."""
        codes = {name: code for code, name in enumerate(self.names)}
        for name in dict.fromkeys(types):
            if name not in codes:
                codes[name] = len(self.names)
                self.names.append(name)
        self.kinds.extend(map(codes.__getitem__, types))
        self.keys += b"".join(keys)
        self.flags.extend(flags)
        self.persons.extend(persons)
        self.quarantined.extend(quarantined)

    def add_links(self, links: Sequence[Link]) -> None:
        """Links with all that was said; those that do not live are only counted."""
        self.pairs += len(links)
        live = [link for link in links if is_live(link[4], link[5])]
        if live:
            lefts, rights, strengths, firsts, _, _ = zip(*live, strict=True)
            self.lefts.extend(lefts)
            self.rights.extend(rights)
            self.strengths.extend(strengths)
            self.firsts.extend(firsts)
