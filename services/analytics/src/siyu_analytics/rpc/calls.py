"""What of a request belongs to the call rather than to the question."""

import time
from typing import Any, Final

from siyu.type.v1 import result_key_pb2
from siyu_analytics.app.asking import Call
from siyu_analytics.rpc.mapping import freshness_from
from siyu_kit.scope import current_scope

DEFAULT_DEADLINE_S: Final = 30.0
"""Of a call that comes without one, outside of a server that would give it one."""


def call_of(request: Any, freshness: result_key_pb2.Freshness) -> Call:
    """Project, deadline and freshness of a request."""
    scope = current_scope()
    deadline = scope.deadline if scope else None
    if deadline is None:
        deadline = time.monotonic() + DEFAULT_DEADLINE_S
    return Call(request.project_id, deadline, freshness_from(freshness))
