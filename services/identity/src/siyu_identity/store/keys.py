"""Keys that follow from the service's one secret, and what they make of an identifier.

The secret never changes: person ids are derived from it, and everything that was ever told about
a person speaks of that id.
"""

from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

from siyu_identity.domain.evidence import Identifier
from siyu_kit.config import Secret
from siyu_kit.crypto import FieldCipher, hmac_sm3

_SEPARATOR: Final = "\x1f"
_INDEX_BYTES: Final = 16
_CIPHER_KEY_ID: Final = 1
_MIN_SECRET_BYTES: Final = 32


class ProjectKeys:
    """What one project's identifiers look like to the database."""

    def __init__(self, project_id: str, secret: bytes) -> None:
        self._lookup = _mac(secret, "blind-index", project_id)
        self._person = _mac(secret, "person-id", project_id)
        cipher_key = hmac_sm3(secret, _label("field-cipher", project_id))[:16]
        self._cipher = FieldCipher({_CIPHER_KEY_ID: cipher_key}, _CIPHER_KEY_ID)

    def lookup(self, identifier: Identifier) -> bytes:
        """The blind index that an identifier is found by."""
        return _digest(self._lookup, identifier)

    def person_key(self, identifier: Identifier) -> bytes:
        """The id of the person that is named after it: the same in every rebuild."""
        return _digest(self._person, identifier)

    def seal(self, identifier: Identifier) -> bytes:
        """The value, encrypted; it cannot be moved to an identifier of another type."""
        return self._cipher.encrypt(identifier.value.encode(), identifier.type.encode())

    def open(self, identifier_type: str, sealed: bytes) -> Identifier:
        """The identifier of a stored value; raises DataLoss when it was altered."""
        value = self._cipher.decrypt(sealed, identifier_type.encode())
        return Identifier(identifier_type, value.decode())


class KeyRing:
    """The keys of every project."""

    def __init__(self, secret: Secret) -> None:
        """``secret``: at least 32 bytes in hexadecimal; raises ValueError for anything else."""
        try:
            self._secret = bytes.fromhex(secret.reveal())
        except ValueError:
            raise ValueError("the identity key is not hexadecimal") from None
        if len(self._secret) < _MIN_SECRET_BYTES:
            raise ValueError(f"the identity key needs {_MIN_SECRET_BYTES} bytes or more")
        self._projects: dict[str, ProjectKeys] = {}

    def of(self, project_id: str) -> ProjectKeys:
        """The keys of a project."""
        keys = self._projects.get(project_id)
        if keys is None:
            keys = self._projects[project_id] = ProjectKeys(project_id, self._secret)
        return keys


def _label(purpose: str, project_id: str) -> bytes:
    return f"siyu.identity{_SEPARATOR}{purpose}{_SEPARATOR}{project_id}".encode()


def _mac(secret: bytes, purpose: str, project_id: str) -> hmac.HMAC:
    # Copied for each identifier: the key is hashed in once.
    return hmac.HMAC(hmac_sm3(secret, _label(purpose, project_id)), hashes.SM3())


def _digest(mac: hmac.HMAC, identifier: Identifier) -> bytes:
    fresh = mac.copy()
    fresh.update(f"{identifier.type}{_SEPARATOR}{identifier.value}".encode())
    return fresh.finalize()[:_INDEX_BYTES]
