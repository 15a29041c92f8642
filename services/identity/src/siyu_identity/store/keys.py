"""Keys that follow from the service's one secret, and what they make of an identifier.

The secret never changes: person ids are derived from it, and everything that was ever told about
a person speaks of that id.
"""

from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

from siyu_identity.domain.evidence import Identifier
from siyu_kit.config import Secret
from siyu_kit.crypto import FieldCipher, hmac_sm3
from siyu_kit.crypto.envelope import LEGACY, DataKeys, EnvelopeCipher, MasterKeys

_SEPARATOR: Final = "\x1f"
_INDEX_BYTES: Final = 16
_MIN_SECRET_BYTES: Final = 32
_REMEMBERED: Final = 1_000


class ProjectKeys:
    """What one project's identifiers look like to the database."""

    def __init__(self, project_id: str, secret: bytes, data_keys: DataKeys) -> None:
        self._lookup = _mac(secret, "blind-index", project_id)
        self._person = _mac(secret, "person-id", project_id)
        self._evidence = _mac(secret, "evidence", project_id)
        purpose = _label("field-cipher", project_id)
        legacy = FieldCipher({LEGACY: hmac_sm3(secret, purpose)[:16]}, LEGACY)
        self._project_id = project_id
        self._cipher = EnvelopeCipher(data_keys, purpose, legacy)

    def lookup(self, identifier: Identifier) -> bytes:
        """The blind index that an identifier is found by."""
        return _digest(self._lookup, identifier)

    def person_key(self, identifier: Identifier) -> bytes:
        """The id of the person that is named after it: the same in every rebuild."""
        return _digest(self._person, identifier)

    def evidence_lookup(self, evidence_id: str) -> bytes:
        """The blind index that an evidence id is found by."""
        return _finished(self._evidence, evidence_id.encode())

    def said(self, lookups: Iterable[bytes]) -> bytes:
        """A digest of the identifiers with these blind indexes, whatever their order."""
        return _finished(self._evidence, b"".join(sorted(lookups)))

    def seal(self, ident_no: int, identifier: Identifier) -> bytes:
        """The value, encrypted; it cannot be moved to another number or type."""
        place = self._place(ident_no, identifier.type)
        return self._cipher.encrypt(identifier.value.encode(), place, identifier.type.encode())

    def open(self, ident_no: int, identifier_type: str, sealed: bytes) -> Identifier:
        """The identifier of a stored value, empty where none is kept.

        Raises DataLoss when it was altered or moved, or its key is not here.
        """
        if not sealed:
            return Identifier(identifier_type, "")
        place = self._place(ident_no, identifier_type)
        value = self._cipher.decrypt(sealed, place, identifier_type.encode())
        return Identifier(identifier_type, value.decode())

    def sealed_anew(self, ident_no: int, identifier_type: str, sealed: bytes) -> bytes | None:
        """The same value under the current key; None when it is, or when no value is kept."""
        if not sealed or self._cipher.is_current(sealed):
            return None
        return self.seal(ident_no, self.open(ident_no, identifier_type, sealed))

    def _place(self, ident_no: int, identifier_type: str) -> bytes:
        parts = ("ident", self._project_id, str(ident_no), identifier_type, "value")
        return _SEPARATOR.join(parts).encode()


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
        self._data_keys = DataKeys()
        self._projects: dict[str, ProjectKeys] = {}

    def masters(self, configured: Secret) -> MasterKeys:
        """What wraps the data keys. Raises ValueError for keys of no use."""
        return MasterKeys.of(configured.reveal(), self._secret)

    def use(self, data_keys: DataKeys) -> None:
        """Seal by these data keys; before anything is sealed."""
        self._data_keys = data_keys
        self._projects.clear()

    def page_key(self) -> bytes:
        """The key that page tokens are signed with."""
        return hmac_sm3(self._secret, _label("page-tokens", ""))

    def of(self, project_id: str) -> ProjectKeys:
        """The keys of a project."""
        keys = self._projects.get(project_id)
        if keys is None:
            if len(self._projects) >= _REMEMBERED:  # a caller may name projects that are not there
                del self._projects[next(iter(self._projects))]
            keys = self._projects[project_id] = ProjectKeys(
                project_id, self._secret, self._data_keys
            )
        return keys


def _label(purpose: str, project_id: str) -> bytes:
    return f"siyu.identity{_SEPARATOR}{purpose}{_SEPARATOR}{project_id}".encode()


def _mac(secret: bytes, purpose: str, project_id: str) -> hmac.HMAC:
    # Copied for each identifier: the key is hashed in once.
    return hmac.HMAC(hmac_sm3(secret, _label(purpose, project_id)), hashes.SM3())


def _digest(mac: hmac.HMAC, identifier: Identifier) -> bytes:
    return _finished(mac, f"{identifier.type}{_SEPARATOR}{identifier.value}".encode())


def _finished(mac: hmac.HMAC, content: bytes) -> bytes:
    fresh = mac.copy()
    fresh.update(content)
    return fresh.finalize()[:_INDEX_BYTES]
