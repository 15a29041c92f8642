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

    A position is the last entry a reader is done with. That entry is kept, though nobody needs
    its content: a reader whose entry is gone knows that the stream was put back.
    """
    declared = TOPICS[topic].readers if topic in TOPICS else frozenset()
    if not declared or not declared <= reported.keys():
        return None
    return join_id(*min(split_id(reported[reader]) for reader in declared))
