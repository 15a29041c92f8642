"""A policy as JSON keeps it."""

from collections.abc import Mapping
from typing import Any

from siyu_identity.domain.policy import IdTypePolicy, Storage, TypeRule


def policy_body(policy: IdTypePolicy) -> dict[str, Any]:
    """Everything but the version, as JSON keeps it."""
    return {
        "name": policy.name,
        "types": {name: rule._asdict() for name, rule in policy.types.items()},
        "max_person": policy.max_person,
        "max_neighbours": policy.max_neighbours,
        "first_link_only": policy.first_link_only,
        "blocked": sorted(map(list, policy.blocked)),
    }


def policy_of(version: int, body: Mapping[str, Any]) -> IdTypePolicy:
    """The policy of a body."""
    types = {
        name: TypeRule(**(rule | {"storage": Storage(rule["storage"])}))
        for name, rule in body["types"].items()
    }
    blocked = frozenset((kind, value) for kind, value in body["blocked"])
    return IdTypePolicy(version, **(dict(body) | {"types": types, "blocked": blocked}))
