"""What a simulated quarter is made from."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The exchanges' zone. It has had no daylight saving since 1991, so a fixed offset is exact."""

MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The seed and the size; equal settings give byte-identical output.

    Raises:
        ValueError: a value is outside of what the simulator can make.
    """

    seed: int = 20_260_930
    customers: int = 20_000
    """People with a customer number; a quarter as many again come by and never log in."""
    days: int = 90
    end: date = date(2026, 9, 30)
    """The last day, the one that is played live. A door takes live events of the last days only, so
    whoever plays to one ends the quarter yesterday; tests keep to the fixed date."""
    turning_point: int = 6
    """Number of finance-news views from which on first depositors mostly go on to trade."""

    def __post_init__(self) -> None:
        if self.seed < 0 or self.customers < 50 or self.days < 7:
            raise ValueError("needs a seed >= 0, at least 50 customers and at least 7 days")
        if not 4 <= self.turning_point <= 9:
            raise ValueError("the turning point must lie between 4 and 9 views")

    @property
    def end_ms(self) -> int:
        """The first millisecond after the quarter."""
        midnight = datetime.combine(self.end + timedelta(days=1), time(), SHANGHAI)
        return int(midnight.timestamp() * 1000)

    @property
    def live_ms(self) -> int:
        """The first millisecond of the live day; everything before is history."""
        return self.end_ms - DAY_MS

    @property
    def start_ms(self) -> int:
        """The first millisecond of the quarter."""
        return self.end_ms - self.days * DAY_MS

    @property
    def first_weekday(self) -> int:
        """Weekday of the first day, Monday is 0."""
        return (self.end - timedelta(days=self.days - 1)).weekday()
