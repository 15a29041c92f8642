"""``/v1/*``: what libraries of the Segment specification send."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from siyu_collect.app.event_message import event_of
from siyu_collect.app.take_events import TakeEvents
from siyu_collect.domain import segment
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.sifting import Item
from siyu_collect.http import answers, body
from siyu_collect.http.body import BodyLimits, bad_body
from siyu_collect.http.body_key import BodyKeys
from siyu_collect.http.write_keys import WriteKeys
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.limits.admission import Admission

SOURCE: Final = "segment"
MAX_MESSAGES: Final = 5_000


class SegmentDoor:
    """The handlers of the Segment endpoints."""

    def __init__(
        self,
        take: TakeEvents,
        keys: WriteKeys,
        clock: Clock,
        limits: BodyLimits,
        admission: Admission,
    ) -> None:
        self._take = take
        self._admission = admission
        self._keys = keys
        self._body_keys = BodyKeys(keys, limits, admission.load)
        self._clock = clock
        self._limits = limits

    async def call(self, request: web.Request) -> web.Response:
        """One message; the path says which call it is."""
        return await self._answer(request, request.match_info["call"])

    async def batch(self, request: web.Request) -> web.Response:
        """Many messages; each says which call it is."""
        return await self._answer(request, "")

    async def _answer(self, request: web.Request, call: str) -> web.Response:
        key, asked = _basic_user(request), request.query.get("project", "")
        project = self._keys.project_of(key, asked) if key else ""  # before the body is read
        raw = await body.read(request, self._limits)
        received_ms = self._clock.now_ms()
        project = project or await self._body_keys.project_of(request, raw, asked)
        async with self._admission.request(project, size=len(raw)):
            plain = body.content(request, raw, self._limits.max_inflated)
            with self._admission.load.holding(len(plain)):
                parsed = self._parsed(plain, "" if key else project, asked)
                return await self._taken(parsed, call, Origin(project, SOURCE, received_ms))

    def _parsed(self, plain: bytes, project: str, asked: str) -> Mapping[str, Any]:
        """The body; when its key let it in, that was the one of ``project``."""
        parsed = body.parsed(plain)
        if not isinstance(parsed, dict):
            raise bad_body("is not a JSON object")
        if project and self._keys.project_of(_text(parsed.get("writeKey")), asked) != project:
            raise bad_body("names several write keys")
        return parsed

    async def _taken(self, parsed: Mapping[str, Any], call: str, origin: Origin) -> web.Response:
        messages = [parsed] if call else _messages(parsed)
        sent_at = None if call else parsed.get("sentAt")
        items = [_item(message, call, sent_at, origin.received_ms) for message in messages]
        return answers.taken(await self._take(items, origin))


def _messages(parsed: Mapping[str, Any]) -> Sequence[Any]:
    messages = parsed.get("batch")
    if not isinstance(messages, list):
        raise bad_body("has no batch")
    if len(messages) > MAX_MESSAGES:
        raise bad_body(f"has more than {MAX_MESSAGES} messages")
    return messages


def _item(message: Any, call: str, sent_at: Any, received_ms: int) -> Item:
    try:
        return event_of(segment.fields_of(message, call, sent_at, received_ms, body.record_digest))
    except InvalidInput as refusal:
        return refusal


def _basic_user(request: web.Request) -> str:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
