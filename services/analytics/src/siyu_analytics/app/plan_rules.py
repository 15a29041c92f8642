"""Which entries of a batch are read, and what becomes of all that they hold."""

from collections.abc import Iterable, Mapping, Sequence

from siyu_analytics.app.sink_ports import Letter, StoredCount
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


Counts = Mapping[str, StoredCount]
"""By project."""


def passed_over(entries: Iterable[Entry]) -> Counts:
    """The events of entries that are not read, because nothing in them is for the store."""
    over = (entry for entry in entries if not may_hold_tracks(entry))
    return summed({entry.project_id: StoredCount(passed=entry.count)} for entry in over)


def buried(letters: Iterable[Letter]) -> Counts:
    """The events of the letters."""
    return summed(
        {
            letter.project_id or letter.entry.project_id: StoredCount(
                dead_lettered=letter.entry.count if letter.payload is None else 1
            )
        }
        for letter in letters
    )


def summed(parts: Iterable[Counts]) -> Counts:
    """All of them together."""
    total: dict[str, StoredCount] = {}
    for part in parts:
        for project_id, count in part.items():
            total[project_id] = total.get(project_id, StoredCount()) + count
    return total
