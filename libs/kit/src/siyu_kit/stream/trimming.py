"""How far a stream may be trimmed: below the slowest declared reader, never by length."""

from collections.abc import Mapping

from siyu_kit.stream.port import join_id, split_id
from siyu_kit.stream.topics import TOPICS


def check_declared(topic: str, reader: str) -> None:
    """Raise ``ValueError`` unless ``topics`` declares the reader, whom trimming must wait for."""
    declared = TOPICS[topic].readers if topic in TOPICS else frozenset()
    if reader not in declared:
        raise ValueError(f"reader {reader!r} of topic {topic!r} is not declared in topics")


def trim_floor(topic: str, reported: Mapping[str, str]) -> str | None:
    """The lowest id to keep, or None to keep everything.

    A position is the last entry a reader is done with, so what it still needs starts one above.
    """
    declared = TOPICS[topic].readers if topic in TOPICS else frozenset()
    if not declared or not declared <= reported.keys():
        return None
    high, low = min(split_id(reported[reader]) for reader in declared)
    return join_id(high, low + 1)
