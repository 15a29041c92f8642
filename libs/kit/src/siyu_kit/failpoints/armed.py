"""Failpoints that do something; only ever loaded in a process that was started for it.

What is armed can be changed while the process runs, through a file that is looked at on every
passage: the harness writes it, and no door of the service leads to it.
"""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from siyu_kit.errors import DependencyDown
from siyu_kit.failpoints.actions import Action, Kind, parse
from siyu_kit.failpoints.registry import FAILPOINTS


class Armed:
    """The state of a process's failpoints.

    ``spec`` is in force until ``file``, if given, holds another one. Into ``hits`` goes one line,
    ``name<TAB>word``, when a name is passed for the first time (``passed``) and before every
    action (``kill``, ``error``, ``sleep``): what was reached is proven even by a process that died.
    """

    def __init__(self, spec: str, file: str = "", hits: str = "") -> None:
        self._actions = dict(parse(spec))
        self._file = Path(file) if file else None
        self._stamp: tuple[int, int] | None = None
        self._hits = Path(hits) if hits else None
        self._since_armed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.passages: Counter[str] = Counter()

    def hit(self, name: str, /) -> None:
        """The failpoint of this name is passed; raises what it is armed to raise."""
        if name not in FAILPOINTS:
            raise ValueError(f"no failpoint is called {name!r}")
        with self._lock:
            action = self._pass(name)
        if action is not None:
            _act(name, action)

    def _pass(self, name: str) -> Action | None:
        self._look()
        self.passages[name] += 1
        if self.passages[name] == 1:
            self._note(name, "passed")
        action = self._actions.get(name)
        if action is None:
            return None
        self._since_armed[name] += 1
        if not action.due(self._since_armed[name]):
            return None
        self._note(name, action.kind)
        return action

    def _look(self) -> None:
        """Take up what the file holds when it is another than last time; it may be missing."""
        if self._file is None:
            return
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp == self._stamp:
                return
            self._actions = dict(parse(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return
        self._stamp = stamp
        self._since_armed.clear()

    def _note(self, name: str, word: str) -> None:
        if self._hits is None:
            return
        with self._hits.open("a", encoding="utf-8") as file:
            file.write(f"{name}\t{word}\n")


def _act(name: str, action: Action) -> None:
    match action.kind:
        case Kind.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
            # The signal is on its way; nothing after this place may run before it arrives.
            time.sleep(60)
        case Kind.ERROR:
            raise DependencyDown(
                "DEPENDENCY_DOWN", "a failpoint says so", dependency=f"failpoint {name}"
            )
        case Kind.SLEEP:
            time.sleep(action.seconds)
        case Kind.OFF:
            pass
