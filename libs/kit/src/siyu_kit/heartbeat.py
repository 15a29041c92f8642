"""Files that say a service is well, for probes that can neither speak gRPC nor afford a program.

``<folder>/liveness`` and ``<folder>/readiness`` hold the second of the last beat. A probe compares
it with the clock: a shell does that in a thousandth of the processor time that an interpreter's
start takes. Files get old when the event loop stands still; ``readiness`` is away while the service
takes no calls.
"""

import time
from pathlib import Path
from typing import Final

from siyu_kit.health import LIVENESS, READINESS
from siyu_kit.log import get_logger
from siyu_kit.whole_file import write_whole

EVERY_S: Final = 1.0

_log = get_logger(__name__)


class Heartbeat:
    """Writes the files; without a folder it does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._beaten, self._ready = 0.0, False

    def beat(self, *, ready: bool) -> None:
        """The event loop runs now; once a second is enough, a change of ``ready`` counts at once.

        A file that cannot be written is logged: the probe will say that the service is not well.
        """
        now = time.monotonic()
        if self._folder is None or (ready is self._ready and now - self._beaten < EVERY_S):
            return
        self._beaten, self._ready = now, ready
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            second = str(int(time.time())).encode()
            write_whole(self._folder / LIVENESS, second)
            if ready:
                write_whole(self._folder / READINESS, second)
            else:
                (self._folder / READINESS).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("heartbeat_not_written", detail=str(error))
