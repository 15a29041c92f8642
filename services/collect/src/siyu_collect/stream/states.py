"""The state of the door and of its log, for the metrics."""

from collections.abc import Sequence

from siyu_collect.app.backpressure import Backpressure
from siyu_collect.stream.log import StreamEventLog
from siyu_kit import metric_defs
from siyu_kit.stream.topics import EVENTS
from siyu_kit.vitals import Probe, Reading


def door_probe(log: StreamEventLog, backpressure: Backpressure) -> Probe:
    """Bytes under way, and what the log holds."""

    async def look() -> Sequence[Reading]:
        return [
            Reading(metric_defs.COLLECT_IN_FLIGHT, backpressure.in_flight),
            Reading(metric_defs.COLLECT_WAITING, log.waiting_bytes),
            Reading(metric_defs.COLLECT_LOG_FULL, int(backpressure.backlogged)),
            *(
                Reading(
                    metric_defs.STREAM_ENTRIES,
                    length,
                    {"topic": EVENTS.name, "partition": str(partition)},
                )
                for partition, length in enumerate(await log.lengths())
            ),
        ]

    return look
