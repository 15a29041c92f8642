"""Small disks in memory that can be filled up; they need the right to mount."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SIZE: Final = "256m"
_CHUNK: Final = 1 << 20


def mount(folder: Path, size: str = SIZE) -> bool:
    """Mount a tmpfs on a folder that is made if need be; False where this is not permitted."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)
    except OSError:
        return False
    return done.returncode == 0


def unmount(folder: Path) -> None:
    """Take it away, with what is on it."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False, timeout=10)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """While inside, not a byte is free on the folder's disk."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            size = _CHUNK
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2
        yield
    finally:
        ballast.unlink(missing_ok=True)
