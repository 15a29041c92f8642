"""When things happen: the day of a broker's customers, over the whole quarter."""

import numpy as np

from siyu_demo.simulator.arrays import Floats, Ints, Rng, ints
from siyu_demo.simulator.settings import MINUTE_MS, Settings

_HOURLY = [4, 2, 1, 1, 1, 2, 6, 14, 30, 88, 100, 62, 38, 66, 98, 92, 36, 26, 24, 30, 34, 30, 20, 10]
"""Weight of each hour in Shanghai: peaks at 10:00 and from 14:00 to 15:59."""

_WEEKEND = 0.35


class Curve:
    """A density over the quarter's minutes, from which times are drawn."""

    def __init__(self, start_ms: int, minutes: Floats) -> None:
        self._edges = start_ms + np.arange(len(minutes) + 1, dtype=np.float64) * MINUTE_MS
        self._cumulated = np.concatenate([[0.0], np.cumsum(minutes) / minutes.sum()])
        self._last = int(self._edges[-1]) - 1

    def left(self, since: Ints) -> Floats:
        """Share of the density that lies after each moment; 0 means that nothing can follow."""
        return np.asarray(1.0 - np.interp(since, self._edges, self._cumulated))

    def after(self, rng: Rng, since: Ints, haste: float = 1.0) -> Ints:
        """Draws one time after each moment; the greater the haste, the sooner."""
        left = self.left(since)
        drawn = 1.0 - left + left * rng.beta(1.0, haste, len(since))
        times = ints(np.interp(drawn, self._cumulated, self._edges))
        return np.minimum(np.maximum(times, since + 1), self._last)


def everyday(settings: Settings) -> Curve:
    """The curve of browsing: every day, less at weekends."""
    hour = np.repeat(np.asarray(_HOURLY, dtype=np.float64), 60)
    days = [
        hour * (_WEEKEND if _is_weekend(settings, day) else 1.0) for day in range(settings.days)
    ]
    return Curve(settings.start_ms, np.concatenate(days))


def trading(settings: Settings) -> Curve:
    """The curve of orders: weekdays, 09:30-11:30 and 13:00-15:00, with the same peaks."""
    minute = np.arange(24 * 60)
    is_open = ((minute >= 570) & (minute < 690)) | ((minute >= 780) & (minute < 900))
    session = np.where(is_open, np.repeat(np.asarray(_HOURLY, dtype=np.float64), 60), 0.0)
    days = [session * (0.0 if _is_weekend(settings, day) else 1.0) for day in range(settings.days)]
    return Curve(settings.start_ms, np.concatenate(days))


def _is_weekend(settings: Settings, day: int) -> bool:
    return (settings.first_weekday + day) % 7 >= 5
