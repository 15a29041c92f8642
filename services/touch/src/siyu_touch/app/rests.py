"""Campaigns that something stands in the way of: each waits alone, the others go on."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import Conflict, DependencyDown, QuotaExceeded
from siyu_touch.domain.campaign import Campaign

_FIRST_S: Final = 0.25
_LONGEST_S: Final = 60.0
_LONGEST_AWAY_S: Final = 5.0
"""A peer that was away is soon back, and then everything waits for us."""

_Key = tuple[str, str]


@dataclass(frozen=True)
class _Rest:
    until_s: float
    pause_s: float


class Rests:
    """Pauses that double with each failure of a campaign in a row."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests: dict[_Key, _Rest] = {}

    def awake(self, campaigns: Iterable[Campaign]) -> list[Campaign]:
        """Those whose rest is over, of all that run; forgets who runs no more."""
        running = {_key(campaign): campaign for campaign in campaigns}
        self._rests = {key: rest for key, rest in self._rests.items() if key in running}
        now_s = self._clock.monotonic()
        return [
            campaign
            for key, campaign in running.items()
            if key not in self._rests or self._rests[key].until_s <= now_s
        ]

    def begin(self, campaign: Campaign, error: Exception) -> None:
        """It failed."""
        before = self._rests.get(_key(campaign))
        away = isinstance(error, DependencyDown | Conflict)
        doubled_s = before.pause_s * 2 if before else _FIRST_S
        pause_s = min(doubled_s, _LONGEST_AWAY_S if away else _LONGEST_S)
        asked_s = error.retry_after_s if isinstance(error, QuotaExceeded) else 0.0
        wait_s = max(pause_s * random.uniform(0.5, 1.0), min(asked_s, _LONGEST_S))
        self._rests[_key(campaign)] = _Rest(self._clock.monotonic() + wait_s, pause_s)

    def end(self, campaign: Campaign) -> None:
        """It went well."""
        self._rests.pop(_key(campaign), None)


def _key(campaign: Campaign) -> _Key:
    return campaign.project_id, campaign.campaign_id
