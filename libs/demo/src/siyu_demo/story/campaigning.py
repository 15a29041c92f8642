"""Writing, approving, launching and awaiting a campaign."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient, call
from siyu_demo.simulator.settings import SHANGHAI
from siyu_demo.story.arrival.settling import until
from siyu_demo.story.questions import TRADE, event_filter
from siyu_demo.story.stage import PROJECT, Stage

AUTHOR = "lin.wenyu"
APPROVER = "zhou.heng"
HOLDOUT_BASIS_POINTS = 2_000
PRODUCT_RISK = 3
CAP_MESSAGES, CAP_DAYS = 2, 2
_TIMEOUT_S = 120.0
_OPEN = frozenset(
    {
        touch.SEND_STATE_PLANNED,
        touch.SEND_STATE_DEFERRED,
        touch.SEND_STATE_ATTEMPTING,
    }
)


@dataclass(frozen=True, slots=True)
class Text:
    """What a template says on one channel."""

    name: str
    channel: touch.Channel.ValueType
    title: str
    body: str


async def approved_templates(stage: Stage, texts: Sequence[Text]) -> list[str]:
    """Write the texts as one person and approve them as another; the templates' ids."""
    async with (
        stage.acting(AUTHOR, ["operator"]) as author,
        stage.acting(APPROVER, ["operator"]) as approver,
    ):
        return [await _approved(author, approver, text) for text in texts]


async def _approved(author: SiyuClient, approver: SiyuClient, text: Text) -> str:
    create = touch.CreateTemplateRequest(
        project_id=PROJECT,
        request_id=f"demo-template-{text.name}",
        template=touch.Template(
            name=text.name,
            channel=text.channel,
            message_class=touch.MESSAGE_CLASS_MARKETING,
            title=text.title,
            body=text.body,
        ),
    )
    template = (await call(author.touch.CreateTemplate, create)).template
    approve = touch.ApproveTemplateRequest(
        project_id=PROJECT,
        template_id=template.template_id,
        content_digest=template.content_digest,
    )
    return (await call(approver.touch.ApproveTemplate, approve)).template.template_id


def quiet_hours() -> touch.QuietHours:
    """An hour of today that is six hours away, so that nothing has to wait in the story."""
    start = datetime.now(UTC).astimezone(SHANGHAI) + timedelta(hours=6)
    minute = start.hour * 60 + start.minute
    return touch.QuietHours(from_minute=minute, to_minute=(minute + 60) % 1_440)


async def launched(
    stage: Stage, name: str, segment_id: str, template_ids: Sequence[str]
) -> touch.Campaign:
    """Create a campaign and launch it."""
    create = touch.CreateCampaignRequest(
        project_id=PROJECT,
        request_id=f"demo-campaign-{name}",
        campaign=touch.Campaign(
            name=name,
            segment_id=segment_id,
            template_ids=template_ids,
            product_risk=touch.ProductRisk.Value(f"PRODUCT_RISK_R{PRODUCT_RISK}"),
            holdout_basis_points=HOLDOUT_BASIS_POINTS,
            quiet_hours=quiet_hours(),
            frequency_cap=touch.FrequencyCap(messages=CAP_MESSAGES, days=CAP_DAYS),
            goal=event_filter(TRADE),
        ),
    )
    async with stage.acting(AUTHOR, ["operator"]) as operator:
        created = (await call(operator.touch.CreateCampaign, create)).campaign
        launch = touch.LaunchCampaignRequest(project_id=PROJECT, campaign_id=created.campaign_id)
        return (await call(operator.touch.LaunchCampaign, launch, timeout_s=60.0)).campaign


async def completed(
    stage: Stage, campaign_id: str, progress: Callable[[int, int], None]
) -> touch.GetCampaignResponse:
    """The campaign when all of its sends have ended; ``progress`` is told the ended and all."""
    request = touch.GetCampaignRequest(project_id=PROJECT, campaign_id=campaign_id)
    answer = touch.GetCampaignResponse()

    async def ended() -> bool:
        nonlocal answer
        answer = await call(stage.client.touch.GetCampaign, request)
        sends = sum(count.sends for count in answer.summary.counts)
        still = sum(count.sends for count in answer.summary.counts if count.state in _OPEN)
        progress(sends - still, sends)
        return answer.campaign.state == touch.CAMPAIGN_STATE_COMPLETED

    await until(ended, _TIMEOUT_S)
    return answer
