"""The worker that trims a topic behind its readers; feeds are trimmed by their relay."""

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.stream.port import StreamStore

_log = get_logger(__name__)


class StreamTrimmer:
    """Trims every partition of a topic now and then; harmless in several processes at once."""

    def __init__(
        self,
        stream: StreamStore,
        topic: str,
        partitions: int,
        *,
        every_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._stream = stream
        self._topic = topic
        self._partitions = partitions
        self._every_s = every_s
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Trim for ever; a worker of the service that owns the topic."""
        while True:
            try:
                for partition in range(self._partitions):
                    await self._stream.trim(self._topic, partition)
            except DependencyDown as error:
                _log.warning("trim_failed", topic=self._topic, reason=error.reason)
            await self._clock.sleep(self._every_s)
