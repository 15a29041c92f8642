"""Settings of the profile service."""

from dataclasses import dataclass

from siyu_kit.config import CommonConfig, FieldKeyConfig, Secret, setting


@dataclass(frozen=True, kw_only=True)
class ProfileConfig(FieldKeyConfig, CommonConfig):
    """Common settings, the peer that knows persons, and the key of addresses."""

    identity_target: str = setting("SIYU_IDENTITY_TARGET", doc="host:port or dns:///name:port")
    key: Secret = setting("SIYU_PROFILE_KEY", doc="seals addresses; never lost, never changed")
