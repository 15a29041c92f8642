"""Every topic, who reads it, and the words for what an entry holds.

Trimming waits for all the readers declared here; a reader that is not declared may find its
entries gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType
from typing import Final


class Kind(IntFlag):
    """What is inside an entry of ``events``; a reader skips masks it has no use for."""

    TRACK = 1
    PROFILE = 2
    LINK = 4


ALL_KINDS: Final = 0
"""A reader's mask of 0 means: whatever the entry holds."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream's name, its declared readers, and whether its ids are a dense sequence."""

    name: str
    readers: frozenset[str]
    feed: bool


EVENTS: Final = Topic("events", frozenset({"identity", "analytics", "profile"}), feed=False)
IDENTITY: Final = Topic("identity", frozenset({"analytics", "profile"}), feed=True)
PROFILE: Final = Topic("profile", frozenset({"analytics"}), feed=True)
SEGMENT: Final = Topic("segment", frozenset(), feed=True)
TOUCH: Final = Topic("touch", frozenset(), feed=True)
"""An outbox alone: what it holds goes to the door of events, not into a stream of its own."""

TOPICS: Final[Mapping[str, Topic]] = MappingProxyType(
    {topic.name: topic for topic in (EVENTS, IDENTITY, PROFILE, SEGMENT, TOUCH)}
)


def stream_key(topic: str, partition: int) -> str:
    """The key of a partition's stream on the server."""
    return f"siyu.{topic}.{partition}"


def position_key(topic: str, partition: int) -> str:
    """The key of the hash in which readers report how far they are."""
    return f"siyu.position.{topic}.{partition}"


PARTITIONS_KEY: Final = "siyu.partitions"
"""The key of the number of partitions of ``events`` (``partitions``)."""

LEDGER_KEY: Final = "siyu.ledger"
"""The key of the hash with the counters of all doors (``ledger``)."""
