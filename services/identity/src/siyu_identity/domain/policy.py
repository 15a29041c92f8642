"""What one person may hold, and who may share what: version 1 of the platform's policy.

All limits are hereditary (a part of an admissible person is admissible), which is what lets two
persons that fit together be joined without looking at their evidence again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from siyu_kit.identifiers import MAX_PER_PERSON

OWNERS: Final = frozenset({"customer_no", "id_doc"})
"""Types that stand for one human each: no person holds two values of one of them."""

MAX_OWNERS: Final[Mapping[str, int]] = MappingProxyType(
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
"""An identifier linked to more distinct owners than this says nothing about who uses it: it is
quarantined, links no more, and stands for itself."""

MAX_COMPONENT: Final = 10_000
"""Identifiers that may hang together, accepted links or not. Beyond it a link is kept as evidence
and recorded as a conflict, but no longer followed: the work for one change stays bounded."""


def fits(types: Mapping[str, int]) -> bool:
    """Whether one person may hold so many distinct identifiers of each type."""
    return all(count <= MAX_PER_PERSON[name] for name, count in types.items())


def is_shared(identifier_type: str, owner_types: Iterable[str]) -> bool:
    """Whether an identifier with live links to owners of these types is shared by too many."""
    most = MAX_OWNERS.get(identifier_type)
    if most is None:
        return False
    counts = Counter(owner for owner in owner_types if owner in OWNERS)
    return any(count > most for count in counts.values())
