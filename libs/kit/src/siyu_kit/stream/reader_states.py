"""How far a reader is behind, for its metrics."""

from collections.abc import Mapping, Sequence

from siyu_kit import metric_defs
from siyu_kit.clock import Clock
from siyu_kit.stream.port import START, Entry, StreamStore, is_before, join_id, split_id
from siyu_kit.stream.topics import Topic
from siyu_kit.vitals import Reading


async def reader_states(
    stream: StreamStore, topic: Topic, reader: str, positions: Mapping[int, str], clock: Clock
) -> Sequence[Reading]:
    """Of each partition held: entries not committed, and the age of the oldest of them.

    A feed's numbers are dense, so its count is exact. The ids of other topics are times: there
    it is the share of the held entries that lies behind the position, about right at a steady rate.
    """
    readings: list[Reading] = []
    for partition, position in positions.items():
        labels = {"reader": reader, "topic": topic.name, "partition": str(partition)}
        high, low = split_id(position)
        tail = await stream.tail(topic.name, partition)
        entries, waited_s = 0, 0.0
        if is_before(position, tail):
            unread = await stream.range(topic.name, partition, join_id(high, low + 1), tail, 1)
            if topic.feed:
                entries = split_id(tail)[0] - high
            elif unread:
                entries = await _share(stream, topic.name, partition, unread[0], tail)
                waited_s = max(0.0, (clock.now_ms() - split_id(unread[0].id)[0]) / 1000)
        readings.append(Reading(metric_defs.STREAM_BEHIND, entries, labels))
        if not topic.feed:
            readings.append(Reading(metric_defs.STREAM_WAITING, waited_s, labels))
    return readings


async def _share(stream: StreamStore, topic: str, partition: int, unread: Entry, tail: str) -> int:
    length = await stream.length(topic, partition)
    held = await stream.range(topic, partition, START, tail, 1)
    first = split_id(held[0].id)[0] if held else split_id(unread.id)[0]
    last, at = split_id(tail)[0], split_id(unread.id)[0]
    return max(1, round(length * (last - at + 1) / (last - first + 1)))
