"""Encryption of addresses and their blind index, from one key of the service."""

from siyu_kit.crypto import FieldCipher, hmac_sm3

_KEY_ID = 1


class AddressSeal:
    """SM4-GCM for the address, HMAC-SM3 for its index; see ``ports.Seal``."""

    def __init__(self, key: bytes) -> None:
        """``key``: the service's secret, at least 16 bytes; each use has a key of its own."""
        if len(key) < 16:
            raise ValueError("the key of the profile service has at least 16 bytes")
        self._cipher = FieldCipher({_KEY_ID: hmac_sm3(key, b"contact.address")[:16]}, _KEY_ID)
        self._index_key = hmac_sm3(key, b"contact.index")

    def seal(self, project_id: str, contact_point_id: str, address: str) -> bytes:
        return self._cipher.encrypt(address.encode(), _place(project_id, contact_point_id))

    def open(self, project_id: str, contact_point_id: str, sealed: bytes) -> str:
        return self._cipher.decrypt(sealed, _place(project_id, contact_point_id)).decode()

    def key_of(self, project_id: str, kind: str, address: str) -> str:
        text = f"{project_id}\x1f{kind}\x1f{address}"
        return hmac_sm3(self._index_key, text.encode())[:16].hex()


def _place(project_id: str, contact_point_id: str) -> bytes:
    return f"contact_point\x1f{project_id}\x1f{contact_point_id}".encode()
