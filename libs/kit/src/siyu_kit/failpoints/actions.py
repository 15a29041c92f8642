"""What a failpoint does when it is passed, and when: the words of ``SIYU_FAILPOINTS``.

``name=action;name=action``, an action being ``kill`` (SIGKILL to the own process), ``error``
(a ``DependencyDown``), ``sleep(seconds)`` (the whole process stands still, as a paused one does) or
``off``. Before it may stand when: ``once:`` the first time, ``nth(3):`` the third time alone,
``1in20:`` one time in twenty by chance; without it, always.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siyu_kit.failpoints.registry import FAILPOINTS

_WHEN: Final = re.compile(r"(?P<once>once)|nth\((?P<nth>[1-9]\d*)\)|1in(?P<of>[1-9]\d*)|")
_WHAT: Final = re.compile(r"kill|error|off|sleep\((?P<seconds>\d+(?:\.\d+)?)\)")


class Kind(StrEnum):
    """What happens."""

    KILL = "kill"
    ERROR = "error"
    SLEEP = "sleep"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Action:
    """What happens at one failpoint, and at which of its passages."""

    kind: Kind
    seconds: float = 0.0
    nth: int = 0
    """Only at this passage since it was armed; 0: at all of them."""
    one_in: int = 1

    def due(self, passage: int) -> bool:
        """Whether it happens at this passage, counted from 1."""
        if self.kind is Kind.OFF or (self.nth and passage != self.nth):
            return False
        return self.one_in == 1 or random.randrange(self.one_in) == 0


def parse(spec: str) -> Mapping[str, Action]:
    """The actions by name; raises ``ValueError`` for a name or an action that is unknown."""
    actions: dict[str, Action] = {}
    for part in filter(None, (piece.strip() for piece in spec.replace("\n", ";").split(";"))):
        name, _, text = part.partition("=")
        if name not in FAILPOINTS:
            raise ValueError(f"no failpoint is called {name!r}")
        actions[name] = _action(text)
    return actions


def _action(text: str) -> Action:
    before, _, after = text.rpartition(":")
    when, what = _WHEN.fullmatch(before), _WHAT.fullmatch(after)
    if when is None or what is None:
        raise ValueError(f"not an action of a failpoint: {text!r}")
    nth = 1 if when["once"] else int(when["nth"] or 0)
    kind = Kind(what[0].partition("(")[0])
    return Action(kind, float(what["seconds"] or 0), nth, int(when["of"] or 1))
