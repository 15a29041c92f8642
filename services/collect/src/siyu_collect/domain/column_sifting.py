"""A request of columns, sifted: a plain event goes on as the bytes that it came in.

The door's own fields are put behind them, and the client's time where the event has none. An event
that is not plain is judged by ``Admission`` alone, as everywhere.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Final

import numpy as np

from siyu_collect.domain import wire
from siyu_collect.domain.admission import Admission, Origin
from siyu_collect.domain.columns.buffer import Flags, Ints
from siyu_collect.domain.columns.columns import Columns
from siyu_collect.domain.columns.framing import framed
from siyu_collect.domain.form import EventForm
from siyu_collect.domain.identifiers import bucket_of
from siyu_collect.domain.limits import OLDEST_LIVE_MS
from siyu_collect.domain.sifted import Parcel, Refused, Sifted
from siyu_collect.domain.vocabulary import MASK_LINK, MASK_TRACK, OBSERVED
from siyu_kit.errors import InvalidInput

OddEvents = Mapping[int, EventForm]
"""The events of a request that are not plain, by index."""
_REFUSED: Final = -1


class ColumnSifter:
    """Sifts columns for a number of partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._admission = Admission()

    def sift(
        self,
        columns: Columns,
        odd: OddEvents,
        origin: Origin,
        event_of: Callable[[bytes], EventForm],
    ) -> Sifted:
        """Sort a request into what is accepted and what is refused.

        ``event_of`` reads an event of the request that needs a closer look for its time.
        """
        untimely = np.flatnonzero(columns.plain & ~_timely(columns.scalars.time_ms, origin))
        odd = {**odd, **{index: event_of(columns.event(index)) for index in untimely.tolist()}}
        sifted = Sifted([Parcel() for _ in range(self._partitions)], [])
        places = columns.codes // 2 % self._partitions
        kinds = MASK_TRACK | MASK_LINK * (columns.codes & 1)
        ready: dict[int, bytes] = {}
        for index in sorted(odd):
            try:
                payload, own_kinds, subject = self._admission.admit(odd[index], origin)
            except InvalidInput as refusal:
                sifted.refused.append(Refused(index, refusal))
                places[index] = _REFUSED
                continue
            ready[index] = wire.head(len(payload)) + payload
            places[index] = bucket_of(subject) % self._partitions
            kinds[index] = own_kinds
        order = np.argsort(places, kind="stable")
        project_id, received_ms, source = origin.project_id, origin.received_ms, origin.source
        alone = wire.door_fields(project_id, received_ms, source, 0)
        linked = wire.door_fields(project_id, received_ms, source, OBSERVED)
        bodies, tails = framed(columns, order, ready, (alone, linked))
        bounds = np.searchsorted(places[order], np.arange(self._partitions + 1)).tolist()
        for parcel, begin, end in zip(sifted.parcels, bounds, bounds[1:], strict=False):
            pairs = zip(bodies[begin:end], tails[begin:end], strict=True)
            parcel.pieces = list(chain.from_iterable(pairs))
            parcel.count = end - begin
            parcel.kinds = int(np.bitwise_or.reduce(kinds[order[begin:end]]))
        return sifted


def _timely(time_ms: Ints, origin: Origin) -> Flags:
    oldest = 1 if origin.history else origin.received_ms - OLDEST_LIVE_MS
    return (time_ms >= oldest) & (time_ms <= origin.received_ms)
