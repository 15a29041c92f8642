"""What the use cases need from the outside: peers, a provider, and the clock's friends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyroaring import BitMap

from siyu_touch.domain.delivery import Delivery
from siyu_touch.domain.gates import Facts
from siyu_touch.domain.touch_event import TouchEvent
from siyu_touch.domain.vocabulary import Channel, MessageClass


@dataclass(frozen=True)
class Audience:
    """Members of a segment's published run."""

    run_id: str
    members: BitMap


class SegmentAudiences(Protocol):
    """The segment service."""

    async def audience(self, project_id: str, segment_id: str) -> Audience:
        """Members of the last published run; raises the peer's errors."""
        ...


@dataclass(frozen=True)
class FactsQuestion:
    """What is asked about at most 1 000 persons at once."""

    project_id: str
    person_nos: Sequence[int]
    channel: Channel
    message_class: MessageClass
    traits: Sequence[str]


class SendFactsSource(Protocol):
    """The profile service."""

    async def facts(self, question: FactsQuestion) -> Sequence[Facts]:
        """One answer for each person, in the order asked."""
        ...


@dataclass(frozen=True)
class Identifier:
    """An identifier of a person."""

    type: str
    value: str


@dataclass(frozen=True)
class PersonOf:
    """A person's best identifier, and the numbers of all of them."""

    anchor: Identifier
    ident_nos: Sequence[int]


class Persons(Protocol):
    """The identity service."""

    async def by_number(self, project_id: str, person_no: int) -> PersonOf:
        """The person that a number belongs to now; NotFound."""
        ...

    async def by_identifier(self, project_id: str, identifier: Identifier) -> PersonOf:
        """The person that an identifier belongs to; NotFound."""
        ...


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupOutcome:
    """One side of a comparison."""

    persons: int
    converted: int
    rate: Rate


@dataclass(frozen=True)
class ResultKey:
    """What an answer of analytics is a function of."""

    definition_digest: str = ""
    as_of_time_ms: int = 0
    batch_no: int = 0
    identity_sequence: int = 0
    profile_sequence: int = 0
    result_digest: str = ""


@dataclass(frozen=True)
class Freshness:
    """How fresh data must be; 0 asks nothing."""

    min_batch_no: int = 0
    min_identity_sequence: int = 0
    min_profile_sequence: int = 0


@dataclass(frozen=True)
class Comparison:
    """What analytics says about two groups."""

    treated: GroupOutcome
    control: GroupOutcome
    difference: Rate
    significant: bool
    key: ResultKey


@dataclass(frozen=True)
class EffectQuestion:
    """Two groups and a goal in a range of time, milliseconds UTC."""

    project_id: str
    treated: BitMap
    control: BitMap
    goal: bytes
    from_ms: int
    to_ms: int
    zone: str
    freshness: Freshness


class Effects(Protocol):
    """The analytics service."""

    async def compare(self, question: EffectQuestion) -> Comparison:
        """Conversion of both groups."""
        ...


@dataclass(frozen=True)
class AddressedEvent:
    """An event and the identifier that it is told under."""

    event: TouchEvent
    anchor: Identifier


class EventSink(Protocol):
    """The collect service."""

    async def ingest(self, project_id: str, events: Sequence[AddressedEvent]) -> Mapping[int, str]:
        """Hand events over, durably; gives the reasons of those refused, by position."""
        ...


@dataclass(frozen=True)
class PushMessage:
    """What a provider is asked to deliver. The key makes a repetition harmless where it is kept."""

    send_key: str
    address: str
    title: str
    body: str


class PushProvider(Protocol):
    """A provider of push messages."""

    async def push(self, message: PushMessage) -> Delivery:
        """Call the provider once; never raises for what the provider or the network does."""
        ...
