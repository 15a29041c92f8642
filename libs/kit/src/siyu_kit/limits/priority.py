"""How much a call matters when not all can be served; the contracts declare it per method."""

from enum import StrEnum
from typing import Final

PRIORITY_KEY: Final = "siyu-priority"
"""Metadata by which a service that serves a vital call asks its peers to treat theirs so too."""


class Priority(StrEnum):
    """Each has slots of its own, so that none of them waits for another's work."""

    VITAL = "vital"
    """Never shed and not rate limited: consents, receipts, facts of a send, stopping a campaign."""
    ORDINARY = "ordinary"
    """Short calls, and events."""
    LOW = "low"
    """Scans and bulk work; shed first."""
