"""Holds processes still while their stores are copied.

A stopped process writes nothing, so that all stores are seen at one moment: what a power cut would
leave, which every service comes back from. Callers wait meanwhile and are answered afterwards.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

_WATCHER: Final = """
import os, signal, sys
sys.stdin.buffer.read()
for group in map(int, sys.argv[1:]):
    try:
        os.killpg(group, signal.SIGCONT)
    except ProcessLookupError:
        pass
"""


@contextmanager
def held(groups: Sequence[int]) -> Iterator[None]:
    """Stop these process groups inside the block.

    They go on however it ends: a watcher sees the end of this process, too.
    """
    if not groups:
        yield
        return
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCHER, *map(str, groups)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        for group in groups:
            os.killpg(group, signal.SIGSTOP)
        yield
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)
        if watcher.stdin is not None:
            watcher.stdin.close()
        watcher.wait()
