"""A batch, sifted: what is accepted, as payloads by partition, and what is refused, by index.

Most events of a batch are plain: a track event with a known name and keys, identifiers in normal
form and order, a time in the window. Those pass in one loop that reads each field once and asks
the rules that can be asked for all at once (message ids, keys) after it. An event that is not
plain is judged by ``Admission`` alone; a batch whose shared rules fail is judged again one by one.

The fields that the door sets are the same for a whole batch, so their bytes are made once and put
behind each event's own. A sender's own values are taken out first: protobuf lets the last value
count, but the engine that reads the stream does not when it is a text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from siyu_collect.domain import wire
from siyu_collect.domain.admission import Admission, Origin
from siyu_collect.domain.form import EventForm
from siyu_collect.domain.identifiers import KnownIdentifiers, bucket_of
from siyu_collect.domain.limits import (
    CONTEXT_KEYS,
    MAX_IDS,
    MAX_MESSAGE_ID_BYTES,
    MAX_NUMBER,
    MAX_PROPERTIES,
    MAX_TEXT_BYTES,
    MAX_TIME_MS,
    MIN_TIME_MS,
    OLDEST_LIVE_MS,
)
from siyu_collect.domain.line_encoding import LineEncoder
from siyu_collect.domain.sifted import Parcel, Refused, Sifted
from siyu_collect.domain.vocabulary import (
    AUTHENTICATED,
    MASK_LINK,
    MASK_TRACK,
    OBSERVED,
    TRACK,
)
from siyu_kit.errors import DomainError, InvalidInput

Item = EventForm | DomainError
"""An event, or the reason why a record did not become one."""
Line = Mapping[str, Any] | DomainError
"""A parsed line of an import (any JSON, really), or the reason why it could not be parsed."""


class Sifter:
    """Sifts batches for a number of partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._admission = Admission()
        self._identifiers = KnownIdentifiers()
        self._encoder = LineEncoder()

    def sift(self, items: Sequence[Item], origin: Origin) -> Sifted:
        """Sort a batch into what is accepted and what is refused."""
        sifted = self._sift_plain(items, origin)
        return self._sift_each(items, origin) if sifted is None else sifted

    def sift_lines(
        self, lines: Iterable[Line], origin: Origin, event_of: Callable[[Any], Item]
    ) -> Sifted:
        """``sift`` for lines of an import; ``event_of`` reads those that are not plain."""
        sifted = Sifted([Parcel() for _ in range(self._partitions)], [])
        tails = {
            evidence: wire.door_fields(
                origin.project_id, origin.received_ms, origin.source, evidence
            )
            for evidence in (0, OBSERVED, AUTHENTICATED)
        }
        for index, line in enumerate(lines):
            encoded = None
            if not isinstance(line, DomainError):
                encoded = self._encoder.encode(line, origin.received_ms)
            if encoded is None or isinstance(line, DomainError):
                item = line if isinstance(line, DomainError) else event_of(line)
                self._judge(index, item, origin, sifted)
                continue
            bucket, count, evidence, payload = encoded
            tail = tails[evidence]
            parcel = sifted.parcels[bucket % self._partitions]
            parcel.pieces += (wire.head(len(payload) + len(tail)), payload, tail)
            parcel.count += 1
            parcel.kinds |= MASK_TRACK if count == 1 else MASK_TRACK | MASK_LINK
        return sifted

    def _sift_each(self, items: Iterable[Item], origin: Origin) -> Sifted:
        sifted = Sifted([Parcel() for _ in range(self._partitions)], [])
        for index, item in enumerate(items):
            self._judge(index, item, origin, sifted)
        return sifted

    def _judge(self, index: int, item: Item, origin: Origin, sifted: Sifted) -> None:
        if isinstance(item, DomainError):
            sifted.refused.append(Refused(index, item))
            return
        try:
            payload, kinds, subject = self._admission.admit(item, origin)
        except InvalidInput as refusal:
            sifted.refused.append(Refused(index, refusal))
            return
        parcel = sifted.parcels[bucket_of(subject) % self._partitions]
        parcel.pieces += (wire.head(len(payload)), payload)
        parcel.count += 1
        parcel.kinds |= kinds

    def _sift_plain(self, items: Sequence[Item], origin: Origin) -> Sifted | None:  # noqa: C901, PLR0915 - one loop on purpose: a call an event costs more than its body
        """The batch in one loop; None when a rule fails that was asked for all events at once."""
        sifted = Sifted([Parcel() for _ in range(self._partitions)], [])
        parcels, partitions = sifted.parcels, self._partitions
        names, head = self._admission.names, wire.head
        tables, learn = self._identifiers.tables, self._identifiers.learn
        nothing: dict[str, tuple[int, int]] = {}
        latest = origin.received_ms
        oldest = 1 if origin.history else latest - OLDEST_LIVE_MS
        alone = wire.door_fields(origin.project_id, origin.received_ms, origin.source, 0)
        linked = wire.door_fields(origin.project_id, origin.received_ms, origin.source, OBSERVED)
        message_ids: list[str] = []
        strings: set[str] = set()
        numbers: set[str] = set()
        booleans: set[str] = set()
        context: set[str] = set()
        for index, event in enumerate(items):
            if (
                isinstance(event, DomainError)
                or event.kind != TRACK
                or event.name not in names
                or event.evidence_class
                or event.list_properties
                or event.time_properties
                or not oldest <= (time_ms := event.event_time_ms) <= latest
                or not MIN_TIME_MS <= event.client_time_ms <= MAX_TIME_MS
                or not MIN_TIME_MS <= event.sent_time_ms <= MAX_TIME_MS
            ):
                self._judge(index, event, origin, sifted)
                continue
            last, bucket, count = -1, 0, 0
            for item in event.ids:
                identifier_type, value = item.type, item.value
                known = tables.get(identifier_type, nothing).get(value)
                rank, own_bucket = known or learn(identifier_type, value)
                if rank <= last:  # not in normal form, or not in order
                    count = 0
                    break
                bucket = bucket if count else own_bucket
                last = rank
                count += 1
            if not 0 < count <= MAX_IDS:
                self._judge(index, event, origin, sifted)
                continue
            values = event.number_properties
            for key in list(values):  # setting a value moves it, and a walk over the map skips
                number = values[key]
                if not -MAX_NUMBER <= number <= MAX_NUMBER:
                    return None
                if not (number * 16).is_integer() and (short := round(number, 4)) != number:
                    values[key] = short
            message_ids.append(event.message_id)
            numbers.update(values)
            strings.update(event.string_properties)
            booleans.update(event.bool_properties)
            context.update(event.context)
            if not event.client_time_ms:
                event.client_time_ms = time_ms
            if event.project_id or event.source or event.received_time_ms:
                event.project_id = event.source = ""
                event.received_time_ms = 0
            payload = event.SerializeToString()
            size = len(payload)
            if size > MAX_TEXT_BYTES:
                return None
            tail = linked if count > 1 else alone
            parcel = parcels[bucket % partitions]
            parcel.pieces += (head(size + len(tail)), payload, tail)
            parcel.count += 1
            parcel.kinds |= MASK_TRACK if count == 1 else MASK_TRACK | MASK_LINK
        keys = strings | numbers | booleans
        if (
            len(keys) != len(strings) + len(numbers) + len(booleans)
            or len(keys) > MAX_PROPERTIES
            or not self._admission.keys.issuperset(keys)
            or not CONTEXT_KEYS.issuperset(context)
            or not _plain_ids(message_ids)
        ):
            return None
        sifted.refused.sort(key=lambda refused: refused.index)
        return sifted


def _plain_ids(message_ids: list[str]) -> bool:
    """Whether all are right, judged together; a long or foreign one has each looked at."""
    if not message_ids:
        return True
    together = "".join(message_ids)
    return (
        together.isascii()
        and together.isprintable()
        and len(min(message_ids, key=len)) > 0
        and len(max(message_ids, key=len)) <= MAX_MESSAGE_ID_BYTES
    )
