"""Creates, changes, pauses and resumes campaigns; sets the kill switch."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput, PreconditionFailed
from siyu_kit.ids import new_id
from siyu_touch.app.store import TouchStore, TouchUnit
from siyu_touch.domain.campaign import Campaign, changed, checked, paused, resumed
from siyu_touch.domain.checks import require
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import Channel

_METHOD = "CreateCampaign"


async def create_campaign(
    store: TouchStore,
    clock: Clock,
    channels: Collection[Channel],
    *,
    request_id: str,
    content: bytes,
    campaign: Campaign,
) -> Campaign:
    """Create a draft; the same request again gives the same campaign.

    ``channels`` are those that are configured here, ``content`` is what the request asks for.
    """
    now = clock.now_ms()
    wanted = replace(checked(campaign), campaign_id=new_id(), create_time_ms=now)
    project_id = wanted.project_id
    async with store.transaction() as unit:
        known = await unit.earlier(project_id, _METHOD, request_id, content)
        if known is not None:
            return await unit.catalogue.campaign(project_id, known)
        await templates_of(unit, wanted, channels)
        if not await unit.remember(
            project_id, _METHOD, request_id, content, wanted.campaign_id, now
        ):
            first = await unit.earlier(project_id, _METHOD, request_id, content)
            return await unit.catalogue.campaign(project_id, first or "")
        await unit.catalogue.add_campaign(wanted)
    return wanted


async def update_campaign(
    store: TouchStore,
    channels: Collection[Channel],
    *,
    project_id: str,
    campaign_id: str,
    etag: str,
    fields: dict[str, Any],
) -> Campaign:
    """Change fields of a draft."""
    async with store.transaction() as unit:
        campaign = await unit.catalogue.campaign(project_id, campaign_id, lock=True)
        after = changed(campaign, etag, fields)
        await templates_of(unit, after, channels)
        await unit.catalogue.save_campaign(after)
    return after


async def pause_campaign(store: TouchStore, project_id: str, campaign_id: str) -> Campaign:
    """Dispatch nothing new; what is under way ends."""
    async with store.transaction() as unit:
        after = paused(await unit.catalogue.campaign(project_id, campaign_id, lock=True))
        await unit.catalogue.save_campaign(after)
    return after


async def resume_campaign(store: TouchStore, project_id: str, campaign_id: str) -> Campaign:
    """Go on."""
    async with store.transaction() as unit:
        after = resumed(await unit.catalogue.campaign(project_id, campaign_id, lock=True))
        await unit.catalogue.save_campaign(after)
    return after


async def set_kill_switch(
    store: TouchStore, clock: Clock, project_id: str, *, engaged: bool, reason: str, by: str
) -> None:
    """Stop or allow the project's marketing; decisions from now on see it."""
    require(0 < len(reason.encode()) <= 1_000, "reason", "a reason has 1 to 1 000 bytes")
    async with store.transaction() as unit:
        await unit.decisions.lock(project_id)
        await unit.catalogue.set_killed(
            project_id, engaged=engaged, reason=reason, by=by, at_ms=clock.now_ms()
        )


async def templates_of(
    unit: TouchUnit, campaign: Campaign, channels: Collection[Channel]
) -> list[Template]:
    """The campaign's templates: each for another channel, and the channel configured."""
    templates: dict[Channel, Template] = {}
    for template_id in campaign.template_ids:
        template = await unit.catalogue.template(campaign.project_id, template_id)
        if template.channel in templates:
            raise InvalidInput(
                "CHANNEL_REPEATED",
                "a campaign has one template for a channel",
                field="campaign.template_ids",
                channel=template.channel.label,
            )
        if template.channel not in channels:
            raise PreconditionFailed(
                "CHANNEL_NOT_CONFIGURED",
                "no provider is configured for this channel",
                channel=template.channel.label,
            )
        templates[template.channel] = template
    return list(templates.values())
