"""What the use cases need from the service's own database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from pyroaring import BitMap

from siyu_kit.sql.restores import Restore
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.decision import Decision, Recorded
from siyu_touch.domain.delivery import Delivery
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Message, Template
from siyu_touch.domain.touch_event import TouchEvent
from siyu_touch.domain.vocabulary import Channel, SendState


@dataclass(frozen=True)
class Claim:
    """Who dispatches: a lease's name and the epoch in which it was taken."""

    holder: str
    epoch: int


@dataclass(frozen=True)
class Snapshot:
    """The audience of a campaign at its launch, and those of it who get nothing."""

    audience: BitMap
    held_out: BitMap


@dataclass(frozen=True)
class SendCount:
    """Sends of one channel, state, gate and reason."""

    channel: Channel
    state: SendState
    gate: str
    reason: str
    sends: int


@dataclass(frozen=True)
class Head:
    """The end of a project's chain of decisions."""

    sequence: int
    digest: str


@dataclass(frozen=True)
class Reservation:
    """A place under the frequency caps, taken by one message to one person."""

    person_no: int
    day: int
    send_key: str
    at_ms: int


@dataclass(frozen=True)
class InboxEntry:
    """An in-app message; times are milliseconds UTC."""

    send_key: str
    person_no: int
    message: Message
    send_time_ms: int
    expire_time_ms: int


@dataclass(frozen=True)
class Attempt:
    """One try to hand a message to its channel."""

    send_key: str
    attempt_no: int
    start_ms: int
    delivery: Delivery | None = None


@dataclass(frozen=True)
class ReceiptRow:
    """A report about a message; ``event_time_ms`` is milliseconds UTC."""

    send_key: str
    state: SendState
    event_time_ms: int
    reason: str


class Catalogue(Protocol):
    """Templates, campaigns and the kill switch, inside a transaction."""

    async def template(self, project_id: str, template_id: str) -> Template:
        """The template, or NotFound."""
        ...

    async def add_template(self, template: Template) -> None:
        """Insert a new template."""
        ...

    async def save_template(self, template: Template) -> None:
        """Write a changed template."""
        ...

    async def campaign(self, project_id: str, campaign_id: str, *, lock: bool = False) -> Campaign:
        """The campaign, or NotFound."""
        ...

    async def add_campaign(self, campaign: Campaign) -> None:
        """Insert a new campaign; AlreadyExists when the name is taken."""
        ...

    async def save_campaign(self, campaign: Campaign) -> None:
        """Write a changed campaign."""
        ...

    async def running(self) -> Sequence[Campaign]:
        """Campaigns of all projects that run, the longest first."""
        ...

    async def killed(self, project_id: str) -> bool:
        """Whether the project's marketing is stopped."""
        ...

    async def set_killed(
        self, project_id: str, *, engaged: bool, reason: str, by: str, at_ms: int
    ) -> None:
        """Stop or allow the project's marketing."""
        ...

    async def snapshot(self, project_id: str, campaign_id: str) -> Snapshot | None:
        """The audience at the launch; None before it."""
        ...

    async def add_snapshot(self, project_id: str, campaign_id: str, snapshot: Snapshot) -> None:
        """Keep the audience."""
        ...


class Sends(Protocol):
    """Sends and what belongs to them, inside a transaction."""

    async def plan(self, sends: Sequence[Send]) -> None:
        """Insert sends; those that exist stay as they are."""
        ...

    async def claim(
        self,
        campaign: Campaign,
        channel: Channel,
        claim: Claim,
        now_ms: int,
        limit: int,
        *,
        only_expired: bool = False,
    ) -> Sequence[Send]:
        """Take due sends that nobody else has, lowest person first."""
        ...

    async def hold(self, project_id: str, send_keys: Sequence[str], claim: Claim) -> Sequence[Send]:
        """Those of the sends that are still ours, locked until the transaction ends."""
        ...

    async def release(self, project_id: str, send_keys: Sequence[str], claim: Claim) -> None:
        """Give sends back undecided."""
        ...

    async def orphans(self, limit: int, own: Claim | None) -> Sequence[Send]:
        """Sends, of all projects, whose claimer is no more or is ``own``; locked."""
        ...

    async def some(self, project_id: str, send_keys: Sequence[str]) -> Mapping[str, Send]:
        """Sends by key, locked."""
        ...

    async def save(self, sends: Sequence[Send], *, claim: Claim | None = None) -> None:
        """Write changed sends; with ``claim`` they stay ours, without nobody's."""
        ...

    async def settle_receipts(self, sends: Sequence[Send]) -> None:
        """Write states and reasons that receipts led to; claims stay as they are."""
        ...

    async def ambiguous(
        self, due_ms: int, channels: Sequence[Channel], limit: int
    ) -> Sequence[Send]:
        """Marketing sends of all projects that were due by then and have not ended; locked."""
        ...

    async def open_sends(self, project_id: str, campaign_id: str) -> bool:
        """Whether any send of the campaign has not ended."""
        ...

    async def recipients(
        self, project_id: str, campaign_id: str, channel: Channel, keys: Sequence[str]
    ) -> Mapping[str, str]:
        """Which of the recipients have a message already: recipient -> send key."""
        ...

    async def add_recipients(
        self, project_id: str, campaign_id: str, channel: Channel, taken: Mapping[str, str]
    ) -> None:
        """Note recipients of messages: recipient -> send key."""
        ...

    async def drop_recipients(
        self, project_id: str, campaign_id: str, channel: Channel, keys: Sequence[str]
    ) -> None:
        """Forget recipients of messages that do not go out after all."""
        ...

    async def reserved(
        self, project_id: str, person_nos: Sequence[int], from_ms: int
    ) -> Sequence[Reservation]:
        """Reservations of persons since a time."""
        ...

    async def reserve(self, project_id: str, reservations: Sequence[Reservation]) -> None:
        """Take places; a message that has one moves to the new one."""
        ...

    async def free(self, project_id: str, send_keys: Sequence[str]) -> None:
        """Give back the places of messages that surely did not go out."""
        ...

    async def save_attempts(self, project_id: str, attempts: Sequence[Attempt]) -> None:
        """Write attempts, begun or ended."""
        ...

    async def add_inbox(self, project_id: str, entries: Sequence[InboxEntry]) -> None:
        """Put messages into the inbox."""
        ...

    async def add_receipts(
        self, project_id: str, receipts: Sequence[ReceiptRow], now_ms: int
    ) -> set[tuple[str, SendState]]:
        """Keep receipts; gives those that were not known."""
        ...


class Decisions(Protocol):
    """The chain of decisions and what is told of them, inside a transaction."""

    async def lock(self, project_id: str) -> Head:
        """The chain's end, locked: whoever decides for a project does so alone."""
        ...

    async def append(self, project_id: str, head: Head, decisions: Sequence[Decision]) -> Head:
        """Add decisions after the end that was locked."""
        ...

    async def tell(self, project_id: str, events: Sequence[TouchEvent]) -> None:
        """Put events into the outbox."""
        ...


class TouchUnit(Protocol):
    """One transaction."""

    @property
    def catalogue(self) -> Catalogue:
        """Templates and campaigns."""
        ...

    @property
    def sends(self) -> Sends:
        """Sends."""
        ...

    @property
    def decisions(self) -> Decisions:
        """Decisions."""
        ...

    async def restore(self) -> Restore | None:
        """The restore of the database that dispatch is frozen by; None when it is not."""
        ...

    async def lift(self, by: str, reason: str, now_ms: int) -> None:
        """Note that the freeze is lifted."""
        ...

    async def earlier(
        self, project_id: str, method: str, request_id: str, content: bytes
    ) -> str | None:
        """What an earlier request with this id led to; see ``siyu_kit.sql.request_keys``."""
        ...

    async def remember(
        self, project_id: str, method: str, request_id: str, content: bytes, result: str, at_ms: int
    ) -> bool:
        """Keep what this request led to; False when another one was kept first."""
        ...


@dataclass(frozen=True)
class TemplatePage:
    """Templates by creation; ``next_cursor`` empty at the end."""

    templates: Sequence[Template]
    next_cursor: str


@dataclass(frozen=True)
class CampaignPage:
    """Campaigns by creation; ``next_cursor`` empty at the end."""

    campaigns: Sequence[Campaign]
    next_cursor: str


class TouchStore(Protocol):
    """The service's own database."""

    def transaction(self) -> AbstractAsyncContextManager[TouchUnit]:
        """A unit that commits when the block ends and rolls back when it raises."""
        ...

    def reading(self) -> AbstractAsyncContextManager[TouchUnit]:
        """A unit that only reads, one snapshot."""
        ...

    async def templates(self, project_id: str, after: str, size: int) -> TemplatePage:
        """Templates by creation after a cursor."""
        ...

    async def campaigns(self, project_id: str, after: str, size: int) -> CampaignPage:
        """Campaigns by creation after a cursor."""
        ...

    async def counts(self, project_id: str, campaign_id: str) -> Sequence[SendCount]:
        """Sends by channel, state, gate and reason."""
        ...

    async def sends_after(
        self, project_id: str, campaign_id: str, state: SendState | None, after: str, size: int
    ) -> Sequence[Send]:
        """Sends by key after a key."""
        ...

    async def sends_of(self, project_id: str, campaign_id: str, person_no: int) -> Sequence[Send]:
        """Sends to a person."""
        ...

    async def decisions_of(
        self, project_id: str, campaign_id: str, person_no: int
    ) -> Sequence[Recorded]:
        """Decisions about a person, in order."""
        ...

    async def decisions_after(
        self, project_id: str, sequence: int, size: int
    ) -> Sequence[Recorded]:
        """Decisions of a project after a sequence."""
        ...

    async def head(self, project_id: str) -> Head:
        """The chain's end."""
        ...

    async def inbox(
        self, project_id: str, person_nos: Sequence[int], now_ms: int, after: str, size: int
    ) -> Sequence[InboxEntry]:
        """Unread and unexpired messages of persons, oldest first, after a cursor."""
        ...
