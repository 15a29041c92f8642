"""What of a request belongs to the call rather than to the question."""

import time
from typing import Any, Final

from siyu_analytics.app.asking import Call
from siyu_analytics.app.ports import Freshness, Snapshot
from siyu_analytics.rpc.mapping import freshness_from, state_from
from siyu_kit.scope import current_scope

DEFAULT_DEADLINE_S: Final = 30.0
"""Of a call that comes without one, outside of a server that would give it one."""


def call_of(request: Any, asked: Any = None, *, pinned: Snapshot | None = None) -> Call:
    """Project, deadline, and the freshness and state that ``asked`` (a scope or its like) names.

    Raises InvalidInput for a state without its time of view.
    """
    scope = current_scope()
    deadline = scope.deadline if scope else None
    if deadline is None:
        deadline = time.monotonic() + DEFAULT_DEADLINE_S
    if asked is None:
        return Call(request.project_id, deadline, Freshness(), pinned)
    return Call(request.project_id, deadline, freshness_from(asked.freshness), state_from(asked))
