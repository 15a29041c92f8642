"""A request, read as columns."""

from dataclasses import dataclass

import numpy as np

from siyu_collect.domain.columns.buffer import Doubles, Flags, Ints
from siyu_collect.domain.columns.envelope import Envelope
from siyu_collect.domain.columns.scalars import Scalars


@dataclass(frozen=True, slots=True)
class Columns:
    """A request; every array but the last two has a place for each event."""

    raw: bytes
    envelope: Envelope
    plain: Flags
    """Whether the event needs no closer look, but for its time."""
    scalars: Scalars
    codes: Ints
    """Where the events belong, as ``KnownSubjects`` says it."""
    shortened_at: Ints
    """Positions of the numbers that had more decimals than are kept."""
    shortened: Doubles

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def project_id(self) -> str:
        """The project of the request."""
        return self.envelope.project_id

    def odd(self) -> list[int]:
        """The events that are not plain, by index."""
        return np.flatnonzero(~self.plain).tolist()

    def event(self, index: int) -> bytes:
        """The bytes of an event, as they came in."""
        return self.raw[self.envelope.starts[index] : self.envelope.ends[index]]

    def request_of(self, indexes: list[int]) -> bytes:
        """The bytes of the same request with these events alone."""
        heads, ends = self.envelope.heads, self.envelope.ends
        head = self.raw[: heads[0]]
        return head + b"".join(self.raw[heads[index] : ends[index]] for index in indexes)
