"""SM3 (GB/T 32905-2016) and HMAC over it."""

from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

_SM3: Final = hashes.SM3()


def sm3(data: bytes) -> bytes:
    """The 32-byte SM3 digest."""
    digest = hashes.Hash(_SM3)
    digest.update(data)
    return digest.finalize()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """The 32-byte HMAC-SM3 of ``data``; for indexes over encrypted values and for chains."""
    mac = hmac.HMAC(key, _SM3)
    mac.update(data)
    return mac.finalize()
