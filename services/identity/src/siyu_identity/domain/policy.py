"""What one person may hold, and who may share what: a version of a project's policy.

Limits on persons are hereditary (a part of an admissible person is admissible), which is what lets
two persons that fit together be joined without looking at their evidence again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

MAX_COMPONENT: Final = 10_000
"""Identifiers that may hang together, accepted links or not. Beyond it a link is kept as evidence
and recorded as a conflict, but no longer followed: the work for one change stays bounded."""

ANY_TYPE: Final = "*"
"""A blocked value with this type is blocked under every type."""


class Storage(StrEnum):
    """What is kept of an identifier's value."""

    SEALED = "sealed"
    """SM4-GCM ciphertext, and an HMAC-SM3 to find it by."""
    INDEX_ONLY = "index_only"
    """The HMAC-SM3 alone: the value can never be shown again."""


class Limit(StrEnum):
    """Why a link that lives does not link (the names of the contract, in lower case)."""

    TYPE = "type_limit"
    SIZE = "size_limit"
    COMPONENT = "component_limit"
    CANNOT_LINK = "cannot_link"
    NOT_FIRST = "not_first"


class Refusal(NamedTuple):
    """A link turned down: why, and which type of identifier was too many."""

    reason: Limit
    type: str = ""


class TypeRule(NamedTuple):
    """What the policy says about one type of identifier."""

    rank: int
    """The smaller, the better an identifier to name a person after."""
    most: int
    """Distinct identifiers of the type that one person may hold."""
    shared_by: int = 0
    """Owners that may share one; more of them and it is quarantined. 0: any number."""
    owner: bool = False
    """Stands for one human each (protected): no person holds two, and sharing is counted in it."""
    normaliser: str = "as_is"
    """The door's rule for its values (``siyu_kit.identifiers``)."""
    storage: Storage = Storage.SEALED


_UNDECLARED: Final = TypeRule(rank=1_000, most=1)


@dataclass(frozen=True, slots=True)
class IdTypePolicy:
    """One version of the policy."""

    version: int
    name: str
    """The preset that it was made from."""
    types: Mapping[str, TypeRule]
    max_person: int = 200
    """Identifiers of one person."""
    max_neighbours: int = 1_000
    """An identifier with live links to more others than this is quarantined, whatever they are;
    owners are exempt, so that the count of owners never depends on who else is in quarantine."""
    first_link_only: bool = False
    """Only the first link of an owner counts, accepted or not (vendor presets)."""
    blocked: frozenset[tuple[str, str]] = frozenset()
    """Type (or ``*``) and value in lower case of identifiers that tie nobody together."""
    max_of: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", MappingProxyType(dict(self.types)))
        most = {name: rule.most for name, rule in self.types.items()}
        object.__setattr__(self, "max_of", MappingProxyType(most))

    def rule(self, identifier_type: str) -> TypeRule:
        """The rule of a type; one that is not declared links nobody."""
        return self.types.get(identifier_type, _UNDECLARED)

    def is_owner(self, identifier_type: str) -> bool:
        """Whether it stands for one human."""
        return self.rule(identifier_type).owner

    def too_many(self, types: Mapping[str, int]) -> Refusal | None:
        """Why one person may not hold so many identifiers of each type; None when it may."""
        max_of, total = self.max_of, 0
        for name, count in types.items():
            if count > max_of.get(name, 1):
                return Refusal(Limit.TYPE, name)
            total += count
        return Refusal(Limit.SIZE) if total > self.max_person else None

    def is_shared(self, identifier_type: str, owners: Iterable[str], neighbours: int) -> bool:
        """Whether an identifier says nothing about who uses it.

        Args:
            identifier_type: its type.
            owners: the types of the owners that it has live links to, one for each of them.
            neighbours: how many identifiers it has live links to.
        """
        rule = self.rule(identifier_type)
        if rule.owner:
            return False
        if neighbours > self.max_neighbours:
            return True
        if not rule.shared_by:
            return False
        counts: dict[str, int] = {}
        for owner in owners:
            counts[owner] = counts.get(owner, 0) + 1
        return any(count > rule.shared_by for count in counts.values())

    def undeclared(self, types: Iterable[str]) -> str | None:
        """The first of the types that the policy does not declare."""
        return next((name for name in types if name not in self.types), None)

    def is_blocked(self, identifier_type: str, value: str) -> bool:
        """Whether a normalised value is on the project's block-list, or its type is unknown."""
        if identifier_type not in self.types:
            return True
        lowered = value.lower()
        return (identifier_type, lowered) in self.blocked or (ANY_TYPE, lowered) in self.blocked
