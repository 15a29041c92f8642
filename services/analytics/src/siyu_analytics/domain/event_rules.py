"""Which events the store can hold. The door refuses the others; these rules hold if it did not."""

from collections.abc import Sequence
from typing import Final

TRACK: Final = 1
"""The kind of event that is stored (EVENT_KIND_TRACK)."""

FIRST_TIME_MS: Final = -2_208_988_800_000
"""1900-01-01T00:00Z, the first time that the engine's type holds."""
LAST_TIME_MS: Final = 10_413_791_999_999
"""2299-12-31T23:59:59.999Z, the last one."""


def flaw(kind: int, project_id: str, identifiers: Sequence[object], *times_ms: int) -> str | None:
    """What keeps an event out of the store; None when nothing does, or when it is not stored."""
    if kind != TRACK:
        return None
    if not project_id:
        return "the event names no project"
    if not identifiers:
        return "the event has no identifier"
    if not all(FIRST_TIME_MS <= time_ms <= LAST_TIME_MS for time_ms in times_ms):
        return "a time lies outside of the years 1900 to 2299"
    return None
