"""Which role grants which permission. The permissions are those the contracts name."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

_READ: Final = frozenset({"analytics.query", "segment.read", "touch.read"})

_INGEST: Final = frozenset({"collect.ingest", "collect.import", "touch.inbox"})
"""The broker's own back ends: they bring events in and serve the inbox."""

_ANALYST: Final = _READ | {"analytics.members", "segment.members", "profile.read"}

_OPERATOR: Final = _ANALYST | {
    "analytics.audience",
    "ops.read",
    "identity.read",
    "identity.resolve",
    "segment.write",
    "touch.write",
    "touch.launch",
    "touch.approve",
}
"""Approves too: that nobody approves their own work is checked where the author is known."""

_STEWARD: Final = frozenset(
    {
        "identity.approve",
        "identity.link",
        "identity.read",
        "identity.resolve",
        "identity.reveal",
        "identity.steward",
        "ops.read",
        "ops.reveal",
        "ops.steward",
        "profile.read",
        "profile.reveal",
        "profile.write",
        "touch.release",
    }
)

_AUDITOR: Final = frozenset({"ops.audit"})
"""Sees what others did and does nothing else: who administers does not audit themselves."""

_KEEPER: Final = frozenset({"ops.keys"})
"""Changes the keys of fields; sees no customer."""

_SERVICE: Final = frozenset(
    {
        "analytics.audience",
        "analytics.members",
        "analytics.query",
        "collect.ingest",
        "identity.link",
        "identity.read",
        "identity.resolve",
        "identity.reveal",
        "ops.feed",
        "profile.read",
        "profile.send_facts",
        "segment.members",
        "segment.read",
    }
)
"""What the services ask of one another; changing definitions is for people."""

ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ingest": _INGEST,
        "analyst": _ANALYST,
        "operator": _OPERATOR,
        "steward": _STEWARD,
        "auditor": _AUDITOR,
        "keeper": _KEEPER,
        "service": _SERVICE,
        "admin": _INGEST | _OPERATOR | _STEWARD | _AUDITOR | _KEEPER | _SERVICE,
    }
)
"""Role -> permissions."""


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All permissions of the roles; an unknown role grants nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
