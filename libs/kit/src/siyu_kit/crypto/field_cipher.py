"""Encryption of single fields with SM4-GCM; algorithm and key id travel in the ciphertext.

Layout: version (1) | algorithm (1) | key id (4, big endian) | nonce (12) | ciphertext | tag (16).
The header is authenticated too, so that a value cannot be moved to another key or field.
"""

import os
import struct
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from siyu_kit.errors import DataLoss

VERSION: Final = 1
SM4_GCM: Final = 1
_HEADER: Final = struct.Struct(">BBI")
_NONCE: Final = 12
_TAG: Final = 16


def key_id_of(sealed: bytes) -> int:
    """The id of the key that sealed a value; DataLoss for what is too short to say."""
    if len(sealed) < _HEADER.size:
        raise DataLoss("CIPHERTEXT_UNREADABLE", "encrypted value is too short")
    key_id: int = _HEADER.unpack_from(sealed)[2]
    return key_id


class FieldCipher:
    """Encrypts with the current key and decrypts with any known one."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        """``keys``: key id -> 16 bytes; ``current``: id of the key that encrypts."""
        if current not in keys:
            raise ValueError("the current key is not among the keys")
        if any(len(key) != 16 for key in keys.values()):
            raise ValueError("an SM4 key has 16 bytes")
        self._keys = {key_id: algorithms.SM4(key) for key_id, key in keys.items()}
        self._current = current

    def encrypt(self, plain: bytes, context: bytes = b"") -> bytes:
        """``context`` (project, table, field, row) must be the same again when decrypting."""
        header = _HEADER.pack(VERSION, SM4_GCM, self._current)
        nonce = os.urandom(_NONCE)
        key = self._keys[self._current]
        encryptor = Cipher(key, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(header + context)
        body = encryptor.update(plain) + encryptor.finalize()
        return header + nonce + body + encryptor.tag

    def decrypt(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Raises DataLoss for an altered value, another context, or a key that is not known."""
        if len(sealed) < _HEADER.size + _NONCE + _TAG:
            raise DataLoss("CIPHERTEXT_UNREADABLE", "encrypted value is too short")
        version, algorithm, key_id = _HEADER.unpack_from(sealed)
        if (version, algorithm) != (VERSION, SM4_GCM) or key_id not in self._keys:
            raise DataLoss(
                "CIPHERTEXT_UNREADABLE",
                f"no key {key_id} for version {version} algorithm {algorithm}",
                key_id=str(key_id),
            )
        header, rest = sealed[: _HEADER.size], sealed[_HEADER.size :]
        nonce, body, tag = rest[:_NONCE], rest[_NONCE:-_TAG], rest[-_TAG:]
        decryptor = Cipher(self._keys[key_id], modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(header + context)
        try:
            return decryptor.update(body) + decryptor.finalize()
        except InvalidTag as error:
            raise DataLoss("CIPHERTEXT_UNREADABLE", "encrypted value fails its check") from error
