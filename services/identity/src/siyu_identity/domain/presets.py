"""Policies by name: ours, and those that behave as other vendors' systems do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from siyu_identity.domain.policy import IdTypePolicy, Storage, TypeRule
from siyu_kit.identifiers import MAX_PER_PERSON, NORMALISER_OF, RANKS

OWNERS: Final = frozenset({"customer_no", "ymt", "id_doc"})
"""Types that stand for one human each."""

_SHARED_BY: Final[Mapping[str, int]] = MappingProxyType(
    {
        "fund_account": 1,
        "mobile": 3,
        "unionid": 1,
        "external_userid": 1,
        "openid": 1,
        "email": 2,
        "device_id": 3,
        "anonymous_id": 2,
    }
)
_INDEX_ONLY: Final = frozenset({"ymt", "id_doc"})
"""A document number is compared and never shown: no ciphertext of it is kept."""


def _rule(name: str, **other: int) -> TypeRule:
    return TypeRule(
        rank=RANKS[name],
        most=other.get("most", MAX_PER_PERSON[name]),
        shared_by=other.get("shared_by", _SHARED_BY.get(name, 0)),
        owner=name in OWNERS,
        normaliser=NORMALISER_OF[name],
        storage=Storage.INDEX_ONLY if name in _INDEX_ONLY else Storage.SEALED,
    )


BROKER: Final = IdTypePolicy(1, "broker", {name: _rule(name) for name in RANKS})
"""Ours, and what a project has that never chose: version 1."""

ARK: Final = IdTypePolicy(
    1,
    "ark",
    {
        "customer_no": _rule("customer_no"),
        "anonymous_id": _rule("anonymous_id", most=1, shared_by=0),
    },
    first_link_only=True,
)
"""Ark's: one anonymous id to one registered id. What is bound stays bound, and an id that has
become a person of its own, which the first refused link makes it, cannot be bound later."""

_SENSORS: Final = {
    name: _rule(name, shared_by=0)
    for name in (
        "customer_no", "mobile", "email", "unionid", "openid", "external_userid",
        "device_id", "anonymous_id",
    )
}  # fmt: skip

SENSORS: Final = IdTypePolicy(1, "sensors", _SENSORS)
"""Sensors' (IDM 3): any declared key binds and unbinds; the first binding stays, a later login on
the same device is not joined. An event with a key that is not declared is refused."""

SENSORS_ONE_TO_ONE: Final = IdTypePolicy(
    1,
    "sensors_one_to_one",
    {
        "customer_no": _rule("customer_no"),
        "anonymous_id": _rule("anonymous_id", most=1, shared_by=0),
        "device_id": _rule("device_id", most=1, shared_by=0),
    },
    first_link_only=True,
)
"""Sensors' simple mode (IDM 2, one to one): the first device of a login, and the first login of
a device; everything later is told apart."""

PRESETS: Final[Mapping[str, IdTypePolicy]] = MappingProxyType(
    {policy.name: policy for policy in (BROKER, ARK, SENSORS, SENSORS_ONE_TO_ONE)}
)
"""Preset by name."""
