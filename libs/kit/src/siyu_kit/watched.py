"""Files that somebody else replaces while we run: certificates, token keys.

They are looked at when they are needed, at most once a second, so that there is no thread to stop
and nothing to miss. What is read wins only when it is whole and valid: half of a change, or a
broken file, leaves what was there before and is logged once.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

from siyu_kit.log import get_logger

logger = get_logger(__name__)

T = TypeVar("T")

RECHECK_S: Final = 1.0
"""Files are looked at again after this, at the earliest."""

Stamp = tuple[tuple[int, int, int], ...]


class Watched(Generic[T]):
    """The value that some files make; safe to ask from any thread."""

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        *,
        name: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``read`` raises OSError or ValueError for files of no use, and so does this at start."""
        self._paths = tuple(paths)
        self._read = read
        self._name = name
        self._monotonic = monotonic
        self._lock = Lock()
        self._stamp = stamp(self._paths)
        self._value = read()
        self._check_at = monotonic() + RECHECK_S

    def current(self) -> T:
        """The newest valid value; the same object until the files change."""
        if self._paths and self._monotonic() >= self._check_at:
            with self._lock:
                self._refresh()
        return self._value

    def _refresh(self) -> None:
        self._check_at = self._monotonic() + RECHECK_S
        try:
            found = stamp(self._paths)
            if found == self._stamp:
                return
            self._stamp = found
            self._value = self._read()
        except (OSError, ValueError) as error:
            logger.warning("file_unreadable", file=self._name, error_type=type(error).__name__)
        else:
            logger.info("file_reloaded", file=self._name)


def stamp(paths: Sequence[Path]) -> Stamp:
    """What differs once one of the files does; raises OSError for one that is not there."""
    # A mounted secret is a symbolic link that is pointed elsewhere: the target's inode tells it.
    found = (os.stat(path) for path in paths)  # noqa: PTH116 - one call for all three numbers
    return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in found)
