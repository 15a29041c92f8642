"""Feeds are dense: a missing sequence is seen at once, and fetched from the feed's owner."""

from collections.abc import Awaitable, Callable, Sequence

from siyu_kit.errors import DataLoss
from siyu_kit.stream.port import Entry, split_id

Heal = Callable[[int, int, int], Awaitable[Sequence[Entry]]]
"""(partition, after, before) -> entries after+1, after+2, ...: all of them, or the first few.

Asks the feed's owner, whose outbox has what the stream lost.
"""


def dense_prefix(entries: Sequence[Entry], position: str) -> Sequence[Entry]:
    """The entries that follow the position without a gap; empty when the first one does not."""
    expected = split_id(position)[0] + 1
    for index, entry in enumerate(entries):
        if entry.sequence != expected + index:
            return entries[:index]
    return entries


def check_healed(healed: Sequence[Entry], topic: str, after: int, before: int) -> None:
    """Raise ``DataLoss`` unless these close the gap or begin to."""
    expected = range(after + 1, before)
    got = [entry.sequence for entry in healed]
    if not got or got != list(expected[: len(got)]):
        raise DataLoss(
            "FEED_GAP",
            "the feed lacks entries and its owner does not have them",
            topic=topic,
            after=str(after),
            before=str(before),
        )
