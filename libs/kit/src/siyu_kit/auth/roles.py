"""Which role grants which permission. The permissions are those the contracts name."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

ROLES: Mapping[str, frozenset[str]] = MappingProxyType({})


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All permissions of the roles; an unknown role grants nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
