"""How customers react to a campaign: some of them trade, more of them if they were reached."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from siyu_demo.records import Record, Via


@dataclass(frozen=True, slots=True)
class Reactions:
    """Chances of a first trade, and when reactions may happen.

    Raises:
        ValueError: a chance is none, or there is no time to react in.
    """

    seed: int
    start_ms: int
    """Reactions happen at or after this time."""
    end_ms: int
    """Reactions happen before this time."""
    touched: float = 0.24
    held_out: float = 0.09

    def __post_init__(self) -> None:
        if not (0 <= self.touched <= 1 and 0 <= self.held_out <= 1):
            raise ValueError("chances lie between 0 and 1")
        if self.end_ms - self.start_ms < 2:
            raise ValueError("reactions need at least two milliseconds")


def react(
    reactions: Reactions, touched: Iterable[str], held_out: Iterable[str]
) -> Iterator[Record]:
    """Yields what the customers do, by customer number; the same customer always does the same.

    Everybody touched opens the app or not; who converts trades. People who were held out, or whose
    message was refused, are given as `held_out`: they react as if there had been no campaign.
    """
    for chance, customers in ((reactions.touched, touched), (reactions.held_out, held_out)):
        for customer_no in customers:
            yield from _of_one(reactions, customer_no, chance)


def _of_one(reactions: Reactions, customer_no: str, chance: float) -> Iterator[Record]:
    digest = hashlib.sha256(f"{reactions.seed}/reaction/{customer_no}".encode()).digest()
    will, when, how_much, looks = (
        int.from_bytes(digest[start : start + 8], "big") for start in range(0, 32, 8)
    )
    span = reactions.end_ms - reactions.start_ms
    trade_time = reactions.start_ms + 1 + when % (span - 1)
    ids = {"customer_no": customer_no}
    key = f"r{reactions.seed:x}-{customer_no}"
    if looks % 100 < 60:
        launch = reactions.start_ms + (trade_time - reactions.start_ms) // 2
        yield Record(f"{key}-a", "track", ids, "app_launch", launch, {}, False, Via.SENSORS)
    if will / 2**64 < chance:
        properties: dict[str, str | int | float | bool | list[str]] = {
            "symbol": "510300.SH",
            "side": "buy",
            "amount": (10_000 + how_much % 5_000_000) / 100,
        }
        yield Record(f"{key}-t", "track", ids, "trade", trade_time, properties, False, Via.GRPC)
