"""Sends that are not settled, for the metrics."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit import metric_defs
from siyu_kit.sql.dialect import dialect_of, now_ms
from siyu_kit.sql.engine import Database
from siyu_kit.vitals import Probe, Reading
from siyu_touch.domain.send import OPEN
from siyu_touch.domain.vocabulary import CampaignState, Channel, SendState
from siyu_touch.store import tables

_send = tables.send.c
_campaign = tables.campaign.c
# As text: an index of these alone is not used for a value that is bound later.
_UNKNOWN: ColumnElement[int] = literal_column(str(int(SendState.UNKNOWN)))


def sends_probe(database: Database) -> Probe:
    """Open sends of running campaigns, how long they wait, and those that are UNKNOWN."""

    async def look() -> Sequence[Reading]:
        async with database.session() as session:
            return [*await _open(session), *await _unknown(session)]

    return look


async def _open(session: AsyncSession) -> list[Reading]:
    running = (_campaign.state == int(CampaignState.RUNNING)) & (
        (_send.project_id == _campaign.project_id) & (_send.campaign_id == _campaign.campaign_id)
    )
    at_ms = (await session.execute(select(now_ms(dialect_of(session))))).scalar_one()
    begun = _send.state == int(SendState.ATTEMPTING)
    waits = case((begun, _send.update_time_ms), (_send.due_ms <= at_ms, _send.due_ms))
    rows = await session.execute(
        select(_send.project_id, _send.channel, _send.state, func.count(), func.min(waits))
        .where(running, _send.state.in_([int(state) for state in OPEN]))
        .group_by(_send.project_id, _send.channel, _send.state)
    )
    readings: list[Reading] = []
    for project_id, channel, state, number, since_ms in rows:
        labels = {**_of(project_id, channel), "state": SendState(state).name.lower()}
        readings.append(Reading(metric_defs.TOUCH_OPEN, number, labels))
        if since_ms is not None:
            waited_s = max(0, at_ms - since_ms) / 1000
            readings.append(Reading(metric_defs.TOUCH_OLDEST, waited_s, labels))
    return readings


async def _unknown(session: AsyncSession) -> list[Reading]:
    rows = await session.execute(
        select(_send.project_id, _send.channel, func.count())
        .where(_send.state == _UNKNOWN)
        .group_by(_send.project_id, _send.channel)
    )
    return [
        Reading(metric_defs.TOUCH_UNKNOWN, number, _of(project_id, channel))
        for project_id, channel, number in rows
    ]


def _of(project_id: str, channel: int) -> dict[str, str]:
    return {"project_id": project_id, "channel": Channel(channel).label}
