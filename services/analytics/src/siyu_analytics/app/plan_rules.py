"""Which entries of a batch are read."""

from collections.abc import Sequence

from siyu_analytics.app.sink_ports import Letter
from siyu_kit.stream.port import Entry
from siyu_kit.stream.topics import Kind


def may_hold_tracks(entry: Entry) -> bool:
    """Whether the entry is to be read at all; one that does not say what it holds is."""
    return not entry.kinds or bool(entry.kinds & Kind.TRACK) or bool(entry.damage)


def readable(entries: Sequence[Entry]) -> tuple[list[Entry], list[Letter]]:
    """The entries to store from, and letters for those that came damaged out of the stream."""
    held = [entry for entry in entries if may_hold_tracks(entry)]
    letters = [Letter(entry, "DAMAGED_ENTRY", entry.damage) for entry in held if entry.damage]
    return [entry for entry in held if not entry.damage], letters
