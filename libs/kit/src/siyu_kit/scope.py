"""What surrounds the running code: the call or batch it serves, for whom, and until when.

One context variable holds one small object, so that a call sets it once and logging, tracing,
authorisation and outgoing calls read from it what they need.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from siyu_kit.limits.priority import Priority

if TYPE_CHECKING:
    from siyu_kit.audit.draft import Draft
    from siyu_kit.auth.caller import Caller
    from siyu_kit.limits.place import Place


REQUEST_ID_KEY: Final = "siyu-request-id"
"""Metadata by which a caller names a call, to ask about it while it runs."""


class Scope:
    """The surroundings of one server call, or of one batch of a worker."""

    __slots__ = (
        "audit", "caller", "deadline", "method", "place", "priority", "project", "request_id",
        "sampled", "span_id", "trace_id",
    )  # fmt: skip

    def __init__(self, method: str, trace_id: int, span_id: int, *, sampled: bool) -> None:
        self.method = method
        """Full method name (``siyu.x.v1.XService/Get``), or the worker's operation."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.project = ""
        self.request_id = ""
        """What the caller named the call, unchecked; empty mostly."""
        self.priority = Priority.ORDINARY
        self.caller: Caller | None = None
        self.audit: Draft | None = None
        """The record of an audited call, where the service keeps one."""
        self.place: Place | None = None
        """The slot of the message of a request stream that is being served."""
        self.deadline: float | None = None
        """``time.monotonic()`` at which the caller stops waiting."""


_SCOPE: ContextVar[Scope | None] = ContextVar("siyu_scope", default=None)

current_scope = _SCOPE.get
"""The scope of the running code, None outside of calls and batches."""

enter_scope = _SCOPE.set
"""Make a scope current; the token returned undoes it by ``leave_scope``."""

leave_scope = _SCOPE.reset
