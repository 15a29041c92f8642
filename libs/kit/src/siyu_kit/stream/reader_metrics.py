"""What a partition reader measures."""

from opentelemetry.metrics import Meter

from siyu_kit import metric_defs


class ReaderMetrics:
    """The instruments of one reader."""

    def __init__(self, meter: Meter, reader: str, topic: str) -> None:
        self._labels = {"reader": reader, "topic": topic}
        self._lag = metric_defs.STREAM_LAG.on(meter)
        self._batch = metric_defs.STREAM_BATCH.on(meter)
        self._handle = metric_defs.STREAM_HANDLE.on(meter)
        self._dead_letters = metric_defs.STREAM_DEAD_LETTERS.on(meter)
        self._put_back = metric_defs.STREAM_PUT_BACK.on(meter)

    def handled(self, messages: int, seconds: float) -> None:
        """A batch is committed."""
        self._batch.record(messages, self._labels)
        self._handle.record(seconds, self._labels)

    def lag(self, seconds: float) -> None:
        """How old the newest entry of a batch was when its effect was committed."""
        self._lag.record(seconds, self._labels)

    def dead_letter(self, reason: str) -> None:
        """An entry was given up."""
        self._dead_letters.add(1, self._labels | {"reason": reason})

    def put_back(self) -> None:
        """The stream turned out to be at an earlier state than it was read at."""
        self._put_back.add(1, self._labels)
