"""Settings of the identity service."""

from dataclasses import dataclass

from siyu_kit.config import CommonConfig, FieldKeyConfig, Secret, setting


@dataclass(frozen=True, kw_only=True)
class IdentityConfig(FieldKeyConfig, CommonConfig):
    """Common settings, and the secret that ids and encryption are derived from."""

    key: Secret = setting(
        "SIYU_IDENTITY_KEY",
        doc="32 bytes or more in hexadecimal, best as SIYU_IDENTITY_KEY_FILE; it never changes",
    )
