"""The embedded platform: every service as a process of its own on this machine's stores."""

from siyu_client.platform.credentials import Credentials
from siyu_client.platform.platform import Platform, PlatformError

__all__ = ["Credentials", "Platform", "PlatformError"]
