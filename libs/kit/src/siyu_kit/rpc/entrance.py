"""The way in of one method's requests: the project is checked and waits its turn.

Both happen before the message is parsed, so that a flood of one project costs little: every request
names its project first, and its bytes tell it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from siyu_kit.auth.caller import Caller
from siyu_kit.auth.policy import Access
from siyu_kit.errors import InvalidInput
from siyu_kit.limits.admission import Admission
from siyu_kit.limits.priority import Priority
from siyu_kit.rpc.gate import Gate
from siyu_kit.rpc.texts import refuse_nul, refuses_items
from siyu_kit.scope import Scope

_PROJECT_TAG: Final = 0x0A
"""Field 1, length-delimited."""
_SERVICE: Final = "service"

Parse = Callable[[bytes], Any]


class Entrance:
    """One for each method."""

    def __init__(self, access: Access, gate: Gate, admission: Admission, parse: Parse) -> None:
        self._parse = parse
        self._has_project = access.has_project
        self._by_item = refuses_items(access.response)
        self._priority = access.priority
        self._gate = gate
        self._admission = admission

    def rank(self, caller: Caller, asked: str | None, scope: Scope) -> None:
        """Settle the call's priority; a service may ask for the one of the call it serves."""
        vital = asked == Priority.VITAL and _SERVICE in caller.roles
        scope.priority = Priority.VITAL if vital else self._priority

    @asynccontextmanager
    async def request(self, raw: bytes, caller: Caller, scope: Scope) -> AsyncIterator[None]:
        """Serve one request inside the block. Raises TooBusy, or what the gate raises."""
        self._check(raw, caller, scope)
        async with self._admission.request(scope.project, scope.priority, len(raw)):
            yield

    @asynccontextmanager
    async def message(self, raw: bytes, caller: Caller, scope: Scope) -> AsyncIterator[None]:
        """The same for one message of a request stream."""
        self._check(raw, caller, scope)
        size = len(raw)
        async with self._admission.message(scope.project, scope.priority, size) as place:
            scope.place = place
            try:
                yield
            finally:
                scope.place = None

    @asynccontextmanager
    async def stream(self, scope: Scope) -> AsyncIterator[None]:
        """Keep a stream open inside the block. Raises TooBusy when too many are."""
        async with self._admission.stream(scope.project, scope.priority):
            yield

    def parsed(self, raw: bytes, scope: Scope) -> Any:
        """The message, which must be of the project that was let in."""
        try:
            request = self._parse(raw)
        except DecodeError:
            raise InvalidInput("FIELD_INVALID", "the request is not a valid message") from None
        if self._has_project and request.project_id != scope.project:
            raise InvalidInput("FIELD_INVALID", "project_id stands once", field="project_id")
        # Few requests have a zero byte at all; those are looked at closely.
        if 0 in raw and isinstance(request, Message):
            refuse_nul(request, items=not self._by_item)
        return request

    def _check(self, raw: bytes, caller: Caller, scope: Scope) -> None:
        if not self._has_project:
            return
        project = project_of(raw)
        if project is None:
            try:
                project = self._parse(raw).project_id
            except DecodeError:
                raise InvalidInput("FIELD_INVALID", "the request is not a valid message") from None
        self._gate.admit(caller, project, scope)


def project_of(raw: bytes) -> str | None:
    """The project that an encoded request begins with; None when it begins with something else.

    Encoders write fields in their order, but the format does not ask them to.
    """
    if len(raw) < 2 or raw[0] != _PROJECT_TAG:
        return None
    # A length of two bytes is longer than a project may be, and refused for that.
    length = min(raw[1], 0x80)
    return raw[2 : 2 + length].decode("utf-8", "replace")
