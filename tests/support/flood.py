"""Many events, each in one wire format and sent three times, some malformed, in random order."""

import base64
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.type.v1.identifier_pb2 import Identifier

FORMATS: Final = ("sensors", "segment", "grpc", "import")
COPIES: Final = 3
MALFORMED_EVERY: Final = 20
"""One record of so many is malformed."""
BATCH: Final = {"sensors": 250, "segment": 250, "grpc": 1_000, "import": 4_000}
PEOPLE: Final = 20_000


@dataclass(frozen=True)
class Flood:
    """``good`` events that must be stored and ``bad`` records that must be refused.

    Records are numbered from 0. Every number has its format and its content for ever.
    """

    good: int
    started_ms: int

    @property
    def records(self) -> int:
        """Good and bad ones."""
        return self.good * MALFORMED_EVERY // (MALFORMED_EVERY - 1)

    def is_bad(self, number: int) -> bool:
        """Whether the record is malformed."""
        return number % MALFORMED_EVERY == MALFORMED_EVERY - 1

    def bad(self) -> Iterator[int]:
        """The numbers of the malformed records."""
        return (number for number in range(self.records) if self.is_bad(number))

    def format_of(self, number: int) -> str:
        """The format that the record comes in."""
        return FORMATS[number // MALFORMED_EVERY % len(FORMATS)]

    def reason_of(self, number: int) -> str:
        """Why a malformed record is refused."""
        return ("NO_IDENTIFIER", "NAME_INVALID", "TOO_OLD")[self._flaw(number)]

    def batches(self, seed: int) -> Iterator[tuple[str, list[int]]]:
        """All copies of all records in random order, in batches of one format."""
        order = list(range(self.records)) * COPIES
        random.Random(seed).shuffle(order)
        waiting: dict[str, list[int]] = {name: [] for name in FORMATS}
        for number in order:
            name = self.format_of(number)
            waiting[name].append(number)
            if len(waiting[name]) == BATCH[name]:
                yield name, waiting[name]
                waiting[name] = []
        yield from ((name, numbers) for name, numbers in waiting.items() if numbers)

    def _flaw(self, number: int) -> int:
        """History has no age: an import has the first two flaws only."""
        return number // MALFORMED_EVERY % (2 if self.format_of(number) == "import" else 3)

    def fields(self, number: int) -> tuple[str, str, str, int]:
        """Message id, customer, event name, time."""
        flaw = self._flaw(number) if self.is_bad(number) else -1
        return (
            f"flood-{number:09d}",
            "" if flaw == 0 else f"C{number * 7919 % PEOPLE:08d}",
            "" if flaw == 1 else ("news_view", "quote_view", "deposit")[number % 3],
            self.started_ms - number % 3_600_000 - (90 * 86_400_000 if flaw == 2 else 0),
        )

    def message(self, number: int) -> Event:
        """As gRPC."""
        message_id, customer, name, time_ms = self.fields(number)
        ids = [Identifier(type="customer_no", value=customer)] if customer else []
        return Event(
            message_id=message_id,
            ids=ids,
            kind=EVENT_KIND_TRACK,
            name=name,
            event_time_ms=time_ms,
            number_properties={"amount": number % 1000 / 4},
        )

    def line(self, number: int) -> bytes:
        """As a line of an import."""
        message_id, customer, name, time_ms = self.fields(number)
        return orjson.dumps(
            {
                "message_id": message_id,
                "type": "track",
                "ids": {"customer_no": customer} if customer else {},
                "event": name,
                "time": time_ms,
                "properties": {"amount": number % 1000 / 4},
            }
        )

    def sensors(self, numbers: Sequence[int], now_ms: int) -> dict[str, str]:
        """The form that the Sensors SDKs post; ``_track_id`` tells a record again."""
        records = [self._sensors_record(number, now_ms) for number in numbers]
        return {"data_list": base64.b64encode(orjson.dumps(records)).decode()}

    def _sensors_record(self, number: int, now_ms: int) -> dict[str, Any]:
        _, customer, name, time_ms = self.fields(number)
        return {
            "type": "track",
            "event": name,
            "time": time_ms,
            "_flush_time": now_ms,
            "_track_id": number + 1,
            "distinct_id": customer,
            "login_id": customer,
            "properties": {"amount": number % 1000 / 4},
        }

    def segment(self, numbers: Sequence[int], now_ms: int) -> bytes:
        """The body that the Segment libraries post."""
        batch = [self._segment_message(number) for number in numbers]
        return json.dumps({"batch": batch, "sentAt": _iso(now_ms)}).encode()

    def _segment_message(self, number: int) -> dict[str, Any]:
        message_id, customer, name, time_ms = self.fields(number)
        message: dict[str, Any] = {
            "type": "track",
            "messageId": message_id,
            "event": name,
            "timestamp": _iso(time_ms),
            "properties": {"amount": number % 1000 / 4},
            "context": {},
        }
        return message | ({"userId": customer} if customer else {})


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
