"""Bounding what one read brings in."""

from collections.abc import Mapping, Sequence

from siyu_kit.stream.port import Entry

_SMOOTHING = 0.2


class ReadSizing:
    """Chooses COUNT from the entry sizes seen, since servers bound a read by entries only."""

    def __init__(self) -> None:
        self._mean_bytes: dict[str, float] = {}

    def count_for(self, topic: str, count: int, max_bytes: int, partitions: int) -> int:
        """How many entries a partition to ask for, at least one."""
        mean = self._mean_bytes.get(topic)
        if mean is None:
            # Nothing is known yet: look at a few before asking for many.
            return min(count, 16)
        return max(1, min(count, int(max_bytes / max(1, partitions) / max(1.0, mean)) + 1))

    def learn(self, topic: str, found: Mapping[int, Sequence[Entry]]) -> None:
        """Take the sizes of a read into account; a larger mean counts at once."""
        sizes = [len(entry.payload) for entries in found.values() for entry in entries]
        if not sizes:
            return
        mean = sum(sizes) / len(sizes)
        known = self._mean_bytes.get(topic, mean)
        self._mean_bytes[topic] = max(mean, known + _SMOOTHING * (mean - known))


def within_budget(found: dict[int, list[Entry]], max_bytes: int) -> dict[int, list[Entry]]:
    """Cut each partition's entries to its share of the budget, leaving at least one."""
    share = max_bytes // max(1, len(found))
    return {partition: _cut(entries, share) for partition, entries in found.items()}


def _cut(entries: list[Entry], budget: int) -> list[Entry]:
    for index, entry in enumerate(entries):
        budget -= len(entry.payload)
        if budget < 0:
            return entries[: max(1, index)]
    return entries
