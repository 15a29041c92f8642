"""Reads how a campaign stands, why a person got its messages, and whether the record holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from siyu_kit.crypto.chain import GENESIS
from siyu_kit.errors import InvalidInput, NotFound
from siyu_touch.app.ports import Identifier, Persons
from siyu_touch.app.store import InboxEntry, SendCount, TouchStore
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.decision import Recorded, link
from siyu_touch.domain.holdout import holdout_bucket
from siyu_touch.domain.send import Send

_PAGE = 5_000


@dataclass(frozen=True)
class Summary:
    """How a campaign stands; per channel the sends add up to audience less held out."""

    audience: int
    held_out: int
    counts: Sequence[SendCount]


async def read_campaign(
    store: TouchStore, project_id: str, campaign_id: str
) -> tuple[Campaign, Summary]:
    """The campaign and its counts."""
    async with store.reading() as unit:
        campaign = await unit.catalogue.campaign(project_id, campaign_id)
        snapshot = await unit.catalogue.snapshot(project_id, campaign_id)
    if snapshot is None:
        return campaign, Summary(0, 0, ())
    counts = await store.counts(project_id, campaign_id)
    return campaign, Summary(len(snapshot.audience), len(snapshot.held_out), counts)


@dataclass(frozen=True)
class Standing:
    """A person in a campaign."""

    in_audience: bool
    held_out: bool
    bucket: int
    sends: Sequence[Send]
    decisions: Sequence[Recorded]


async def explain_person(
    store: TouchStore, project_id: str, campaign_id: str, person_no: int
) -> Standing:
    """Every decision about the person, with its inputs."""
    if person_no == 0:
        raise InvalidInput("FIELD_INVALID", "numbers of persons start at 1", field="person_no")
    async with store.reading() as unit:
        await unit.catalogue.campaign(project_id, campaign_id)
        snapshot = await unit.catalogue.snapshot(project_id, campaign_id)
    return Standing(
        in_audience=snapshot is not None and person_no in snapshot.audience,
        held_out=snapshot is not None and person_no in snapshot.held_out,
        bucket=holdout_bucket(project_id, campaign_id, person_no),
        sends=await store.sends_of(project_id, campaign_id, person_no),
        decisions=await store.decisions_of(project_id, campaign_id, person_no),
    )


@dataclass(frozen=True)
class Verification:
    """Whether a chain holds; ``broken_sequence`` 0 if it does."""

    decisions: int
    broken_sequence: int
    head_digest: str


async def verify_decisions(store: TouchStore, project_id: str) -> Verification:
    """Compute the chain again, up to the end that stood when the check began."""
    head = await store.head(project_id)
    sequence, digest = 0, GENESIS
    while sequence < head.sequence:
        page = await store.decisions_after(project_id, sequence, _PAGE)
        for recorded in page:
            expected = link(digest, project_id, sequence + 1, recorded.decision)
            if recorded.sequence != sequence + 1 or recorded.chain_digest != expected:
                return Verification(sequence, sequence + 1, head.digest)
            sequence, digest = recorded.sequence, expected
            if sequence == head.sequence:
                break
        if not page:
            return Verification(sequence, sequence + 1, head.digest)
    broken = 0 if digest == head.digest else sequence
    return Verification(sequence, broken, head.digest)


async def pull_inbox(
    store: TouchStore,
    persons: Persons,
    now_ms: int,
    *,
    project_id: str,
    identifier: Identifier,
    after: str,
    size: int,
) -> Sequence[InboxEntry]:
    """Unread messages of the person that an identifier belongs to now; nobody has none."""
    try:
        person = await persons.by_identifier(project_id, identifier)
    except NotFound:
        return ()
    return await store.inbox(project_id, person.ident_nos, now_ms, after, size)
