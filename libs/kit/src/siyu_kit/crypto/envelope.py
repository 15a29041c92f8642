"""Envelope encryption of fields: versioned data keys, wrapped by a master key.

A value is sealed with the current data key and says its version; older versions stay readable.
What a data key is used for gets a key of its own derived from it, so that a value cannot be moved
to another use. Data keys rest wrapped in the database, the master key beside it does not: it comes
from a file or an environment variable, and changing it wraps a few keys anew and touches no value.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from siyu_kit.crypto.digest import hmac_sm3, sm3
from siyu_kit.crypto.field_cipher import FieldCipher, key_id_of
from siyu_kit.errors import DataLoss

KEY_BYTES: Final = 16
LEGACY: Final = 1
"""Key id of what was sealed with a key derived from the service's secret, before data keys."""


class MasterKeys:
    """Wraps with the first key, unwraps with any."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises ValueError without a key, or for one that has not 16 bytes."""
        named = {_id_of(key): key for key in keys}
        if not keys:
            raise ValueError("at least one master key is needed")
        self._cipher = FieldCipher(named, _id_of(keys[0]))
        self._current = _id_of(keys[0])

    @classmethod
    def of(cls, configured: str, secret: bytes) -> "MasterKeys":
        """From hexadecimal keys, newest first; the one derived from the secret always unwraps."""
        derived = hmac_sm3(secret, b"siyu.field-master")[:KEY_BYTES]
        given = [bytes.fromhex(part.strip()) for part in configured.split(",") if part.strip()]
        return cls([*given, derived])

    def wrap(self, version: int, key: bytes) -> bytes:
        """A data key as it may be stored."""
        return self._cipher.encrypt(key, _place(version))

    def unwrap(self, version: int, wrapped: bytes) -> bytes:
        """The data key; DataLoss when it was altered, moved, or its master key is not here."""
        return self._cipher.decrypt(wrapped, _place(version))

    def is_current(self, wrapped: bytes) -> bool:
        """Whether the first key wrapped it."""
        return key_id_of(wrapped) == self._current


class DataKeys:
    """The data keys of a service by version, as they were loaded last; see ``sql.data_keys``."""

    def __init__(self, keys: Mapping[int, bytes] | None = None, current: int = LEGACY) -> None:
        self._keys = dict(keys or {})
        self.current = current
        """The version that seals; without data keys the legacy one."""

    def replace(self, keys: Mapping[int, bytes], current: int) -> None:
        """What was loaded anew."""
        self._keys, self.current = dict(keys), current

    def key(self, version: int) -> bytes:
        """A data key; DataLoss for a version that is not known or was destroyed."""
        found = self._keys.get(version)
        if found is None:
            raise DataLoss("CIPHERTEXT_UNREADABLE", f"no data key {version}", key_id=str(version))
        return found


class EnvelopeCipher:
    """Seals the values of one use."""

    def __init__(self, keys: DataKeys, purpose: bytes, legacy: FieldCipher) -> None:
        """``legacy`` reads, and without data keys writes, what a derived key seals."""
        self._keys = keys
        self._purpose = purpose
        self._legacy = legacy
        self._ciphers: dict[int, tuple[bytes, FieldCipher]] = {}

    def encrypt(self, plain: bytes, context: bytes, legacy_context: bytes) -> bytes:
        """``context`` names project, row and field; the same is needed to decrypt."""
        version = self._keys.current
        if version == LEGACY:
            return self._legacy.encrypt(plain, legacy_context)
        return self._cipher(version).encrypt(plain, context)

    def decrypt(self, sealed: bytes, context: bytes, legacy_context: bytes) -> bytes:
        """Raises DataLoss for an altered or moved value, or a key that is not here."""
        version = key_id_of(sealed)
        if version == LEGACY:
            return self._legacy.decrypt(sealed, legacy_context)
        return self._cipher(version).decrypt(sealed, context)

    def is_current(self, sealed: bytes) -> bool:
        """Whether the current data key sealed it."""
        return key_id_of(sealed) == self._keys.current

    def _cipher(self, version: int) -> FieldCipher:
        data_key = self._keys.key(version)
        known = self._ciphers.get(version)
        if known is None or known[0] != data_key:
            key = hmac_sm3(data_key, self._purpose)[:KEY_BYTES]
            known = self._ciphers[version] = (data_key, FieldCipher({version: key}, version))
        return known[1]


def _place(version: int) -> bytes:
    return f"data-key|{version}".encode()


def _id_of(key: bytes) -> int:
    return int.from_bytes(sm3(b"master|" + key)[:4])
