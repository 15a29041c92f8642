"""Contact points: ways to reach somebody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from siyu_kit.errors import InvalidInput

TYPES: Final = frozenset({"mobile", "email", "push_token", "openid", "external_userid"})
MAX_ADDRESS_BYTES: Final = 512

TYPE_OF_CHANNEL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "push": "push_token",
        "sms": "mobile",
        "call": "mobile",
        "email": "email",
        "wechat": "openid",
        "wecom": "external_userid",
    }
)
"""What a channel is addressed by; the app's own inbox needs no address."""


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One statement; the address is sealed, ``address_key`` is equal for equal addresses."""

    contact_point_id: str
    ident_no: int
    type: str
    sealed_address: bytes
    address_key: str
    removed: bool
    event_time_ms: int


def check_type(kind: str, field: str) -> str:
    """The type, if there is such a one."""
    if kind not in TYPES:
        raise InvalidInput(
            "FIELD_INVALID", f"a contact point is one of {', '.join(sorted(TYPES))}", field=field
        )
    return kind


def check_address(address: str, field: str) -> str:
    """The address, if it has a fitting length."""
    if not 0 < len(address.encode()) <= MAX_ADDRESS_BYTES:
        raise InvalidInput(
            "FIELD_INVALID", f"an address has 1 to {MAX_ADDRESS_BYTES} bytes", field=field
        )
    return address


def fold_contacts(points: Iterable[ContactPoint]) -> list[ContactPoint]:
    """Contact points that stand, newest first."""
    standing = [point for point in points if not point.removed]
    return sorted(standing, key=lambda point: (-point.event_time_ms, point.contact_point_id))
