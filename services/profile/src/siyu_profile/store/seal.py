"""Encryption of addresses and their blind index."""

from siyu_kit.crypto import FieldCipher, hmac_sm3
from siyu_kit.crypto.envelope import LEGACY, DataKeys, EnvelopeCipher

_PURPOSE = b"contact.address"


class AddressSeal:
    """SM4-GCM under the data keys for the address, HMAC-SM3 for its index; see ``ports.Seal``."""

    def __init__(self, key: bytes, data_keys: DataKeys | None = None) -> None:
        """``key``: the service's secret, at least 16 bytes; each use has a key of its own.

        Without data keys an address is sealed with a key derived from it.
        """
        if len(key) < 16:
            raise ValueError("the key of the profile service has at least 16 bytes")
        legacy = FieldCipher({LEGACY: hmac_sm3(key, _PURPOSE)[:16]}, LEGACY)
        self._cipher = EnvelopeCipher(data_keys or DataKeys(), _PURPOSE, legacy)
        self._index_key = hmac_sm3(key, b"contact.index")

    def seal(self, project_id: str, contact_point_id: str, address: str) -> bytes:
        place = _place(project_id, contact_point_id)
        return self._cipher.encrypt(address.encode(), place + b"\x1faddress", place)

    def open(self, project_id: str, contact_point_id: str, sealed: bytes) -> str:
        place = _place(project_id, contact_point_id)
        return self._cipher.decrypt(sealed, place + b"\x1faddress", place).decode()

    def sealed_anew(self, project_id: str, contact_point_id: str, sealed: bytes) -> bytes | None:
        """The same address under the current key; None when it is already."""
        if self._cipher.is_current(sealed):
            return None
        return self.seal(
            project_id, contact_point_id, self.open(project_id, contact_point_id, sealed)
        )

    def key_of(self, project_id: str, kind: str, address: str) -> str:
        text = f"{project_id}\x1f{kind}\x1f{address}"
        return hmac_sm3(self._index_key, text.encode())[:16].hex()


def _place(project_id: str, contact_point_id: str) -> bytes:
    return f"contact_point\x1f{project_id}\x1f{contact_point_id}".encode()
