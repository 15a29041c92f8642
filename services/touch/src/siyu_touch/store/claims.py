"""Who works on which sends: claims, and what lost dispatchers left."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.tables import lease
from siyu_touch.app.store import Claim
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.send import DUE, Send
from siyu_touch.domain.vocabulary import Channel
from siyu_touch.store import tables
from siyu_touch.store.chunks import chunks
from siyu_touch.store.rows import to_send

_c = tables.send.c


async def claim_due(
    session: AsyncSession,
    campaign: Campaign,
    channel: Channel,
    claim: Claim,
    due: ColumnElement[bool],
    limit: int,
) -> list[Send]:
    """Take undecided sends, where ``due`` holds, that nobody has.

    What another dispatcher is about to take is passed over.
    """
    found = await session.execute(
        select(tables.send)
        .where(
            _c.project_id == campaign.project_id,
            _c.campaign_id == campaign.campaign_id,
            _c.channel == int(channel),
            _c.state.in_([int(state) for state in DUE]),
            due,
            _c.claim_holder == "",
        )
        .order_by(_c.person_no)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    sends = [to_send(row) for row in found]
    for keys in chunks([send.send_key for send in sends]):
        await session.execute(
            update(tables.send)
            .where(_c.project_id == campaign.project_id, _c.send_key.in_(keys))
            .values(claim_holder=claim.holder, claim_epoch=claim.epoch)
        )
    return sends


async def hold(
    session: AsyncSession, project_id: str, send_keys: Sequence[str], claim: Claim
) -> list[Send]:
    """Those of the sends that the claim still covers, locked."""
    held: list[Send] = []
    for keys in chunks(sorted(send_keys)):
        found = await session.execute(
            select(tables.send)
            .where(_c.project_id == project_id, _c.send_key.in_(keys), _is(claim))
            .order_by(_c.send_key)
            .with_for_update()
        )
        held.extend(to_send(row) for row in found)
    return held


async def release(
    session: AsyncSession, project_id: str, send_keys: Sequence[str], claim: Claim
) -> None:
    """Give back what the claim covers."""
    for keys in chunks(send_keys):
        await session.execute(
            update(tables.send)
            .where(_c.project_id == project_id, _c.send_key.in_(keys), _is(claim))
            .values(claim_holder="", claim_epoch=0)
        )


async def orphans(session: AsyncSession, limit: int, own: Claim | None) -> list[Send]:
    """Sends whose claimer's lease ran out or changed hands, or whose claimer is ``own``."""
    alive = exists().where(
        lease.c.name == _c.claim_holder,
        lease.c.epoch == _c.claim_epoch,
        lease.c.expires_ms > now_ms(dialect_of(session)),
    )
    found = await session.execute(
        select(tables.send)
        .where(_c.claim_holder != "", or_(~alive, _is(own)) if own else ~alive)
        .order_by(_c.project_id, _c.send_key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [to_send(row) for row in found]


def _is(claim: Claim) -> ColumnElement[bool]:
    return and_(_c.claim_holder == claim.holder, _c.claim_epoch == claim.epoch)
