"""A part of a benchmark in a process of its own, so that memory and threads are its own."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Self

import psutil

_LOOK_S: Final = 0.005


def figures_of(script: str, *arguments: str) -> dict[str, Any]:
    """What a script of this folder printed last, a line of JSON; raises if it failed."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


class MostHeld:
    """The most memory that this process holds while it is entered, bytes."""

    def __enter__(self) -> Self:
        self.most = psutil.Process().memory_info().rss
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._ended.wait(_LOOK_S):
            self.most = max(self.most, process.memory_info().rss)
