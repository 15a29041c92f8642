"""Templates, campaigns and the kill switch in the database; see ``app.store.Catalogue``."""

from collections.abc import Sequence

from pyroaring import BitMap
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import AlreadyExists, NotFound
from siyu_touch.app.store import Snapshot
from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import CampaignState
from siyu_touch.store import tables
from siyu_touch.store.rows import from_campaign, from_template, to_campaign, to_template


class SqlCatalogue:
    """Inside one open session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def template(self, project_id: str, template_id: str) -> Template:
        c = tables.template.c
        found = await self._session.execute(
            select(tables.template).where(c.project_id == project_id, c.template_id == template_id)
        )
        row = found.first()
        if row is None:
            raise NotFound(
                "TEMPLATE_NOT_FOUND", "there is no such template", template_id=template_id
            )
        return to_template(row)

    async def add_template(self, template: Template) -> None:
        await self._session.execute(insert(tables.template), from_template(template))

    async def save_template(self, template: Template) -> None:
        c = tables.template.c
        await self._session.execute(
            update(tables.template)
            .where(c.project_id == template.project_id, c.template_id == template.template_id)
            .values(state=int(template.state), approver=template.approver)
        )

    async def campaign(self, project_id: str, campaign_id: str, *, lock: bool = False) -> Campaign:
        c = tables.campaign.c
        statement = select(tables.campaign).where(
            c.project_id == project_id, c.campaign_id == campaign_id
        )
        found = await self._session.execute(statement.with_for_update() if lock else statement)
        row = found.first()
        if row is None:
            raise NotFound(
                "CAMPAIGN_NOT_FOUND", "there is no such campaign", campaign_id=campaign_id
            )
        return to_campaign(row)

    async def add_campaign(self, campaign: Campaign) -> None:
        try:
            await self._session.execute(insert(tables.campaign), from_campaign(campaign))
        except IntegrityError as error:
            raise _name_taken(campaign) from error

    async def save_campaign(self, campaign: Campaign) -> None:
        c = tables.campaign.c
        statement = update(tables.campaign).where(
            c.project_id == campaign.project_id, c.campaign_id == campaign.campaign_id
        )
        try:
            await self._session.execute(statement.values(from_campaign(campaign)))
        except IntegrityError as error:
            raise _name_taken(campaign) from error

    async def running(self) -> Sequence[Campaign]:
        c = tables.campaign.c
        found = await self._session.execute(
            select(tables.campaign)
            .where(c.state == int(CampaignState.RUNNING))
            .order_by(c.launch_time_ms, c.project_id, c.campaign_id)
        )
        return [to_campaign(row) for row in found]

    async def killed(self, project_id: str) -> bool:
        c = tables.kill_switch.c
        found = await self._session.execute(
            select(c.engaged)
            .where(c.project_id == project_id)
            .order_by(c.change_no.desc())
            .limit(1)
        )
        return bool(found.scalar())

    async def set_killed(
        self, project_id: str, *, engaged: bool, reason: str, by: str, at_ms: int
    ) -> None:
        c = tables.kill_switch.c
        last = await self._session.execute(
            select(func.max(c.change_no)).where(c.project_id == project_id)
        )
        row = {
            "project_id": project_id,
            "change_no": (last.scalar() or 0) + 1,
            "engaged": engaged,
            "reason": reason,
            "changed_by": by,
            "changed_ms": at_ms,
        }
        await self._session.execute(insert(tables.kill_switch), row)

    async def snapshot(self, project_id: str, campaign_id: str) -> Snapshot | None:
        c = tables.audience.c
        found = await self._session.execute(
            select(tables.audience).where(c.project_id == project_id, c.campaign_id == campaign_id)
        )
        row = found.first()
        if row is None:
            return None
        return Snapshot(BitMap.deserialize(row.members), BitMap.deserialize(row.held_out))

    async def add_snapshot(self, project_id: str, campaign_id: str, snapshot: Snapshot) -> None:
        row = {
            "project_id": project_id,
            "campaign_id": campaign_id,
            "members": snapshot.audience.serialize(),
            "held_out": snapshot.held_out.serialize(),
        }
        await self._session.execute(insert(tables.audience), row)


def _name_taken(campaign: Campaign) -> AlreadyExists:
    return AlreadyExists(
        "CAMPAIGN_NAME_TAKEN", "another campaign has this name", name=campaign.name
    )
