"""One platform per folder: an exclusive lock that the kernel frees when its holder dies."""

import fcntl
import os
from pathlib import Path


class FolderLock:
    """A lock on ``folder``; the lock's file holds the process id of who has it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> str | None:
        """Take the lock; the id of the process that holds it if another does, else None.

        The descriptor is not inherited by programs started later: a child holds no lock.
        """
        if self._descriptor is not None:
            return None
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            return holder or "unknown"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return None

    def release(self) -> None:
        """Give the lock back; its file stays, so that no two can lock different files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
