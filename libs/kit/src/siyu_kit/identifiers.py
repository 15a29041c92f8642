"""The identifier registry: which types exist, their ranks, and their one normal form.

Ranks and caps are the platform's policy version 1: a lower rank is a better identifier. The door
normalises every identifier of every event, so this module is kept flat and free of allocation.
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType

from siyu_kit.errors import InvalidInput

RANKS: Mapping[str, int] = MappingProxyType(
    {
        "customer_no": 0,
        "ymt": 1,
        "id_doc": 1,
        "fund_account": 2,
        "mobile": 3,
        "unionid": 4,
        "external_userid": 4,
        "openid": 5,
        "email": 5,
        "device_id": 6,
        "anonymous_id": 7,
    }
)
"""Static rank of each type; the best identifier of an event decides its partition."""

MAX_PER_PERSON: Mapping[str, int] = MappingProxyType(
    {
        "customer_no": 1,
        "ymt": 1,
        "id_doc": 1,
        "fund_account": 8,
        "mobile": 5,
        "unionid": 3,
        "external_userid": 5,
        "openid": 10,
        "email": 5,
        "device_id": 20,
        "anonymous_id": 100,
    }
)
"""How many distinct identifiers of a type one person may hold."""

MAX_LENGTH = 256
"""Longest value in characters after normalising."""

_HERE = resources.files("siyu_kit")

JUNK: frozenset[str] = frozenset(
    line
    for line in _HERE.joinpath("junk_values.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
)
"""Values that say nothing about who somebody is, in normal form and lower case."""

_SEPARATORS = str.maketrans("", "", " -()\u00a0\t")
_CN_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+(?!86)[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ufffe\uffff]")
_HARDWARE = re.compile(r"[0-9A-Fa-f:-]+")
_ONE_CHARACTER = re.compile(r"(.)\1*|(?:0|:|-)+")
_SAME_DIGIT_MOBILE = re.compile(r"\+861[3-9]([0-9])\1{8}")


def _mobile(value: str) -> str:
    """E.164; a bare mainland number gets +86."""
    digits = value.translate(_SEPARATORS)
    mainland = _CN_MOBILE.fullmatch(digits)
    if mainland is not None:
        return "+86" + mainland[1]
    if _E164.fullmatch(digits) is not None:
        return digits
    raise _invalid("mobile", "is not a mobile number")


def _email(value: str) -> str:
    lowered = value.lower()
    if _EMAIL.fullmatch(lowered) is None:
        raise _invalid("email", "is not an e-mail address")
    return lowered


def _device(value: str) -> str:
    """Hardware ids are hexadecimal in either case; other device ids stay as they are."""
    return value.lower() if _HARDWARE.fullmatch(value) is not None else value


def _as_is(value: str) -> str:
    return value


NORMALISER_OF: Mapping[str, str] = MappingProxyType(
    {
        "customer_no": "as_is",
        "ymt": "as_is",
        "id_doc": "upper",
        "fund_account": "as_is",
        "mobile": "mobile",
        "unionid": "as_is",
        "external_userid": "as_is",
        "openid": "as_is",
        "email": "email",
        "device_id": "device",
        "anonymous_id": "as_is",
    }
)
"""Name of the rule by which values of each type are brought into their one form."""

_RULES: Mapping[str, Callable[[str], str]] = {
    "as_is": _as_is,
    "upper": str.upper,
    "mobile": _mobile,
    "email": _email,
    "device": _device,
}
_NORMALISERS = {name: _RULES[rule] for name, rule in NORMALISER_OF.items()}


def normalise(identifier_type: str, value: str) -> str:
    """The one form under which a value is stored and compared.

    Raises InvalidInput (FIELD_INVALID, field ``type`` or ``value``) for a type that is not
    registered, an empty or overlong value, control characters, or a form the type forbids.
    The value itself never stands in the error: it may be personal data.
    """
    normaliser = _NORMALISERS.get(identifier_type)
    if normaliser is None:
        raise InvalidInput(
            "FIELD_INVALID",
            f"identifier type {identifier_type[:64]!r} is not registered",
            field="type",
            type=identifier_type[:64],
        )
    stripped = value.strip()
    if not stripped or len(stripped) > MAX_LENGTH:
        raise _invalid(identifier_type, f"has no value, or more than {MAX_LENGTH} characters")
    if not stripped.isprintable() and _UNPRINTABLE.search(stripped) is not None:
        raise _invalid(identifier_type, "has control characters")
    normal = normaliser(stripped)
    # The other case of a letter may be several letters; every service behind the door asks again.
    if len(normal) > MAX_LENGTH:
        raise _invalid(identifier_type, f"has more than {MAX_LENGTH} characters in normal form")
    return normal


def is_junk(identifier_type: str, value: str) -> bool:
    """Whether a normalised value is a placeholder shared by many people."""
    if value.lower() in JUNK:
        return True
    if identifier_type == "mobile":
        return _SAME_DIGIT_MOBILE.fullmatch(value) is not None
    return _ONE_CHARACTER.fullmatch(value) is not None and len(value) > 1


def _invalid(identifier_type: str, problem: str) -> InvalidInput:
    return InvalidInput(
        "FIELD_INVALID",
        f"identifier of type {identifier_type} {problem}",
        field="value",
        type=identifier_type,
    )
