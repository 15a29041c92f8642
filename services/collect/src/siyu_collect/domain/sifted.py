"""What a batch becomes before it is durable: parcels for the partitions, and refusals."""

from dataclasses import dataclass, field

from siyu_kit.errors import DomainError


@dataclass(slots=True)
class Parcel:
    """Events of one partition: pieces that make a batch's bytes when joined."""

    pieces: list[bytes] = field(default_factory=list)
    count: int = 0
    kinds: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused record: its position in the request and why."""

    index: int
    error: DomainError


@dataclass(slots=True)
class Sifted:
    """Outcome of a batch before it is durable."""

    parcels: list[Parcel]
    refused: list[Refused]

    @property
    def accepted(self) -> int:
        """Number of events in the parcels."""
        return sum(parcel.count for parcel in self.parcels)
