"""Hash chains over SM3: each digest covers its record and the digest before it."""

from typing import Final

from siyu_kit.crypto.digest import sm3

GENESIS: Final = "0" * 64
"""Digest before the first record."""


def linked(previous: str, *fields: str) -> str:
    """The next digest, hexadecimal: SM3 over the previous one and the record's fields.

    Fields are joined by ``|``; what may hold that character is put into one canonical text by the
    caller (JSON), so that no two records make the same text.
    """
    return sm3("|".join((previous, *fields)).encode()).hex()
