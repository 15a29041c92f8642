"""What all chapters share: the platform, the people who use it, and the truth."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console

from siyu.type.v1.result_key_pb2 import Freshness
from siyu_client.client import SiyuClient
from siyu_client.platform import Platform
from siyu_demo.records import Identifier
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.story.checks import Comparison
from siyu_demo.story.push_receiver import PushReceiver
from siyu_demo.truth import BackOffice, Ledger, People

PROJECT = "demo"


@dataclass(frozen=True, slots=True)
class Mode:
    """How the story is told."""

    tamper: bool = False
    """One event is altered on its way."""
    keeps: bool = False
    """The folder is kept, so that one can look further."""


@dataclass(slots=True)
class Numbers:
    """Which numbers the platform gave to identifiers and persons."""

    ident_no: dict[Identifier, int] = field(default_factory=dict)
    person_no: dict[Identifier, int] = field(default_factory=dict)
    person_id: dict[Identifier, str] = field(default_factory=dict)

    def of(self, persons: set[Identifier]) -> set[int]:
        """The numbers of persons whom the truth names by their best identifier."""
        return {self.person_no[person] for person in persons}


@dataclass(slots=True)
class Campaign:
    """What later chapters must know of a campaign that was sent."""

    campaign_id: str
    launch_ms: int
    audience: set[Identifier]
    held_out: set[Identifier]
    reached: set[Identifier]
    """Persons for whom at least one message went out."""
    messages: Counter[Identifier]
    """Messages that count for the frequency cap: those that went out, or may have."""


@dataclass(slots=True)
class Stage:
    """Handed from chapter to chapter; each adds what the next ones need."""

    console: Console
    platform: Platform
    client: SiyuClient
    receiver: PushReceiver
    quarter: Quarter
    checks: Comparison
    mode: Mode
    ledger: Ledger = field(default_factory=Ledger)
    freshness: Freshness = field(default_factory=Freshness)
    numbers: Numbers = field(default_factory=Numbers)
    segments: dict[int, str] = field(default_factory=dict)
    """Segment ids by their bound: fewer views than this."""
    audiences: dict[int, set[Identifier]] = field(default_factory=dict)
    """The segments' members by the truth."""
    campaign: Campaign | None = None
    examples: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    """Service, method and request of calls worth trying afterwards."""
    _people: People | None = None
    _office: BackOffice | None = None

    @property
    def settings(self) -> Settings:
        """What the quarter was made from."""
        return self.quarter.settings

    @property
    def people(self) -> People:
        """Who is who, by the truth; made when everything has been sent."""
        if self._people is None:
            self._people = People(self.ledger)
        return self._people

    @property
    def office(self) -> BackOffice:
        """The back office's facts, by the truth."""
        if self._office is None:
            quarter = self.quarter
            self._office = BackOffice(quarter.consents, quarter.ratings, quarter.contact_points)
        return self._office

    @asynccontextmanager
    async def acting(self, subject: str, roles: Sequence[str]) -> AsyncIterator[SiyuClient]:
        """A client of somebody with these roles only."""
        targets = {name: address.target for name, address in self.platform.addresses.items()}
        tokens = self.platform.credentials.tokens(subject, roles, [PROJECT])
        async with SiyuClient(targets, tokens) as client:
            yield client
