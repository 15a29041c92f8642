"""``/sa`` and ``/sa.gif``: what the Sensors SDKs send."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from siyu_collect.app.event_message import event_of
from siyu_collect.app.take_events import Outcome, TakeEvents
from siyu_collect.domain import sensors
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.sifted import Refused
from siyu_collect.domain.sifting import Item
from siyu_collect.http import answers, body
from siyu_collect.http.body import BodyLimits, bad_body
from siyu_collect.http.write_keys import WriteKeys
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.limits.admission import Admission

SOURCE: Final = "sensors"
MAX_RECORDS: Final = 5_000
_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
Form = Mapping[str, str]


class SensorsDoor:
    """The handlers of the Sensors endpoints."""

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
        self._clock = clock
        self._limits = limits

    async def post(self, request: web.Request) -> web.Response:
        """Records in a form: ``data`` holds one, ``data_list`` many."""
        project = self._project(request)
        raw = await body.read(request, self._limits)
        async with self._admission.request(project, size=len(raw)):
            plain = body.content(request, raw, self._limits.max_inflated)
            with self._admission.load.holding(len(plain)):
                form = {**request.query, **_form(plain)}
                return answers.taken(await self._taken(project, form))

    async def get(self, request: web.Request) -> web.Response:
        """Records in the address, for pages that cannot post; the answer is an image or empty."""
        project = self._project(request)
        async with self._admission.request(project, size=len(request.query_string)):
            outcome = await self._taken(project, request.query)
        if request.path.endswith(".gif"):
            return web.Response(body=_GIF, content_type="image/gif")
        return answers.taken(outcome)

    def _project(self, request: web.Request) -> str:
        query = request.query
        return self._keys.project_of(query.get("token", ""), query.get("project", ""))

    async def _taken(self, project: str, form: Form) -> Outcome:
        plain = self._plain(form)
        with self._admission.load.holding(len(plain)):
            return await self._records_taken(project, _records(plain))

    async def _records_taken(self, project: str, records: Sequence[Any]) -> Outcome:
        received_ms = self._clock.now_ms()
        live: list[int] = []
        history: list[int] = []
        for index, record in enumerate(records):
            (history if sensors.is_history(record) else live).append(index)
        outcome = Outcome()
        for indexes, is_history in ((live, False), (history, True)):
            if indexes or not (records or is_history):  # an empty list is a batch as well
                items = [_item(records[index], received_ms, project) for index in indexes]
                origin = Origin(project, SOURCE, received_ms, history=is_history)
                part = await self._take(items, origin)
                outcome.accepted += part.accepted
                outcome.durability = part.durability
                outcome.refused += [Refused(indexes[r.index], r.error) for r in part.refused]
        outcome.refused.sort(key=lambda refused: refused.index)
        return outcome

    def _plain(self, form: Form) -> bytes:
        data = form.get("data_list") or form.get("data")
        if not data:
            raise bad_body("has neither data nor data_list")
        _check_crc(form, data)
        return body.from_base64(
            data, gzip=form.get("gzip") == "1", max_inflated=self._limits.max_inflated
        )


def _records(plain: bytes) -> Sequence[Any]:
    parsed = body.parsed(plain)
    records = parsed if isinstance(parsed, list) else [parsed]
    if len(records) > MAX_RECORDS:
        raise bad_body(f"has more than {MAX_RECORDS} records")
    return records


def _item(record: Any, received_ms: int, project: str) -> Item:
    try:
        return event_of(sensors.fields_of(record, received_ms, project, body.record_digest))
    except InvalidInput as refusal:
        return refusal


def _form(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qs(data.decode(), max_num_fields=32, errors="strict")
    except ValueError:
        raise bad_body("is not a form") from None
    return {name: values[0] for name, values in pairs.items()}


def _check_crc(form: Form, data: str) -> None:
    """The SDKs' check sum is Java's string hash; it comes as ``crc`` or inside ``ext``."""
    given = form.get("crc") or form.get("ext", "").partition("crc=")[2]
    if not given:
        return
    total = 0
    for unit in data.encode("utf-16-le")[::2]:
        total = (31 * total + unit) & 0xFFFFFFFF
    signed = total - (1 << 32) if total >> 31 else total
    if given not in {str(signed), str(total)}:
        raise bad_body("does not match its crc")
