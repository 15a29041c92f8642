"""National algorithms: SM3 digests and SM4-GCM field encryption."""

from siyu_kit.crypto.digest import hmac_sm3, sm3
from siyu_kit.crypto.field_cipher import FieldCipher

__all__ = ["FieldCipher", "hmac_sm3", "sm3"]
