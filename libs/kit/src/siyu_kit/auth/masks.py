"""How each kind of value is shown to those who may not see it in clear."""

from collections.abc import Callable, Mapping
from typing import Final

from siyu.type.v1 import security_pb2

HIDDEN: Final = "***"


def mask_mobile(value: str) -> str:
    """138****8000; a +86 prefix is left out, other short or odd values are hidden whole."""
    digits = value.removeprefix("+86")
    if len(digits) < 8:
        return HIDDEN
    return f"{digits[:3]}****{digits[-4:]}"


def mask_email(value: str) -> str:
    """l***@example.com."""
    local, at, domain = value.partition("@")
    return f"{local[:1]}***@{domain}" if at else HIDDEN


def mask_name(value: str) -> str:
    """李**: always two stars, so that the length stays unknown."""
    return f"{value[:1]}**"


def mask_tail(value: str) -> str:
    """***21; values of up to four characters are hidden whole."""
    return f"***{value[-2:]}" if len(value) > 4 else HIDDEN


def mask_full(_: str) -> str:
    """***."""
    return HIDDEN


def _clear(value: str) -> str:
    return value


BY_MASK: Final[Mapping[int, Callable[[str], str]]] = {
    security_pb2.MASK_MOBILE: mask_mobile,
    security_pb2.MASK_EMAIL: mask_email,
    security_pb2.MASK_NAME: mask_name,
    security_pb2.MASK_TAIL: mask_tail,
    security_pb2.MASK_FULL: mask_full,
}
"""Proto mask -> function (MASK_BY_TYPE needs the field beside it, see ``BY_TYPE``)."""

BY_TYPE: Final[Mapping[str, Callable[[str], str]]] = {
    "customer_no": mask_tail,
    "ymt": mask_tail,
    "id_doc": mask_tail,
    "fund_account": mask_tail,
    "mobile": mask_mobile,
    "email": mask_email,
    # Pseudonyms of platforms and devices say nothing outside of them.
    "unionid": _clear,
    "external_userid": _clear,
    "openid": _clear,
    "device_id": _clear,
    "anonymous_id": _clear,
}
"""Identifier type -> function; a type that is not here is hidden whole."""
