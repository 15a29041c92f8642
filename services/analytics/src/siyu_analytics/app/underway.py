"""The questions that are under way, for whoever asked them and watches.

A question is known by its project, its caller and the id that the caller gave it; without an id
nobody can watch it. It is under way until the task that serves it ends.
"""

import asyncio
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from siyu_analytics.domain.progress import Growth
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.scope import REQUEST_ID_KEY, Scope, current_scope

KEPT: Final = 1_000
"""Questions, those that ended among them; the oldest are forgotten."""
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")

Key = tuple[str, str, str]


def check_request_id(request_id: str, field: str) -> None:
    """Raise InvalidInput for what is no id of a request."""
    if _ID.fullmatch(request_id) is None:
        rule = "1 to 64 letters, digits, dots, colons, hyphens or underscores"
        raise InvalidInput("FIELD_INVALID", f"{field}: {rule}", field=field)


def key_of(project_id: str, request_id: str) -> Key:
    """The key of the running caller's own question."""
    scope = current_scope()
    subject = scope.caller.subject if scope is not None and scope.caller is not None else ""
    return project_id, subject, request_id


class _Question(NamedTuple):
    growth: Growth
    scope: Scope
    """Of the call: one that repeats it with the same id is another question."""


class Underway:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # bounded: ``begin`` forgets the oldest beyond KEPT
        self._questions: OrderedDict[Key, _Question] = OrderedDict()

    def find(self, key: Key) -> Growth | None:
        """The latest question of the key, under way or ended lately."""
        question = self._questions.get(key)
        return question.growth if question else None

    def begin(self, project_id: str) -> None:
        """The running task begins to serve a question. Raises InvalidInput for a bad id."""
        scope, task = current_scope(), asyncio.current_task()
        if scope is None or not scope.request_id or task is None:
            return
        check_request_id(scope.request_id, REQUEST_ID_KEY)
        if self._running(project_id) is not None:
            return
        growth = Growth(self._clock.monotonic(), stopped=True)
        key = key_of(project_id, scope.request_id)
        self._questions[key] = _Question(growth, scope)
        self._questions.move_to_end(key)
        while len(self._questions) > KEPT:
            self._questions.popitem(last=False)
        task.add_done_callback(lambda _: growth.close(self._clock.monotonic()))

    def _running(self, project_id: str) -> Growth | None:
        """The question that the running code serves."""
        scope = current_scope()
        if scope is None or not scope.request_id:
            return None
        question = self._questions.get(key_of(project_id, scope.request_id))
        return question.growth if question and question.scope is scope else None

    @contextmanager
    def statement(self, project_id: str) -> Iterator[str]:
        """Run a statement of the running question inside the block, under the mark given."""
        mark = uuid.uuid4().hex
        growth = self._running(project_id)
        if growth is None:
            yield mark
            return
        growth.start(mark)
        try:
            yield mark
        except BaseException:
            growth.end(mark, stopped=True)
            raise
        growth.end(mark, stopped=False)
