"""A campaign: whom, what, under which limits, and what counts as success."""

from dataclasses import dataclass, replace
from typing import Any, Final

from siyu_kit.crypto import sm3
from siyu_kit.errors import PreconditionFailed, StaleEtag
from siyu_touch.domain.checks import MAX_NAME, check_name, require
from siyu_touch.domain.days import DEFAULT_ZONE, MINUTES_A_DAY, QuietHours, check_zone
from siyu_touch.domain.vocabulary import CampaignState

HOUR_MS: Final = 3_600_000
DEFAULT_EXPIRY_MS: Final = 24 * HOUR_MS
MAX_EXPIRY_MS: Final = 30 * 24 * HOUR_MS
DEFAULT_GOAL_WINDOW_MS: Final = 7 * 24 * HOUR_MS
MAX_GOAL_WINDOW_MS: Final = 365 * 24 * HOUR_MS
MAX_TEMPLATES: Final = 4
MAX_HOLDOUT: Final = 5_000
MAX_CAP_MESSAGES: Final = 1_000
MAX_CAP_DAYS: Final = 90
CHANGEABLE: Final = (
    "name",
    "segment_id",
    "template_ids",
    "product_risk",
    "holdout_basis_points",
    "quiet_hours",
    "frequency_cap",
    "zone",
    "expire_after_ms",
    "goal",
    "goal_window_ms",
)


@dataclass(frozen=True)
class FrequencyCap:
    """Greatest number of marketing messages to one person within calendar days."""

    messages: int
    days: int


@dataclass(frozen=True)
class Campaign:
    """A campaign; the goal is a serialized condition, times are milliseconds UTC."""

    project_id: str
    campaign_id: str
    name: str
    segment_id: str
    template_ids: tuple[str, ...]
    product_risk: int = 0
    holdout_basis_points: int = 0
    quiet_hours: QuietHours | None = None
    frequency_cap: FrequencyCap | None = None
    zone: str = DEFAULT_ZONE
    expire_after_ms: int = DEFAULT_EXPIRY_MS
    goal: bytes = b""
    goal_window_ms: int = DEFAULT_GOAL_WINDOW_MS
    state: CampaignState = CampaignState.DRAFT
    revision: int = 1
    create_time_ms: int = 0
    launch_time_ms: int = 0
    segment_run_id: str = ""
    planned_to: int = 0
    """Sends are planned for persons below this number; see ``launch``."""
    planned: bool = False
    """Whether every send of the audience is planned."""
    trace: str | None = None
    """Traceparent of the launch."""

    @property
    def etag(self) -> str:
        """Changes with every change of the campaign."""
        return sm3(f"{self.campaign_id}|{self.revision}".encode()).hex()[:16]


def checked(campaign: Campaign) -> Campaign:
    """The campaign with defaults filled in; raises ``InvalidInput``."""
    check_name(campaign.name, "campaign.name")
    require(
        0 < len(campaign.segment_id) <= MAX_NAME,
        "campaign.segment_id",
        f"a campaign needs a segment; its id has at most {MAX_NAME} characters",
    )
    ids = campaign.template_ids
    require(
        0 < len(ids) <= MAX_TEMPLATES and len(set(ids)) == len(ids) and all(ids),
        "campaign.template_ids",
        f"a campaign has 1 to {MAX_TEMPLATES} different templates",
    )
    require(0 <= campaign.product_risk <= 5, "campaign.product_risk", "R1 to R5, or none")
    require(
        0 <= campaign.holdout_basis_points <= MAX_HOLDOUT,
        "campaign.holdout_basis_points",
        f"0 to {MAX_HOLDOUT}",
    )
    _check_limits(campaign)
    expiry = campaign.expire_after_ms or DEFAULT_EXPIRY_MS
    require(0 < expiry <= MAX_EXPIRY_MS, "campaign.expire_after_ms", "at most 30 days")
    window = campaign.goal_window_ms or DEFAULT_GOAL_WINDOW_MS
    require(0 < window <= MAX_GOAL_WINDOW_MS, "campaign.goal_window_ms", "at most 365 days")
    return replace(
        campaign,
        zone=check_zone(campaign.zone),
        expire_after_ms=expiry,
        goal_window_ms=window,
    )


def _check_limits(campaign: Campaign) -> None:
    quiet, cap = campaign.quiet_hours, campaign.frequency_cap
    if quiet is not None:
        require(
            0 <= quiet.from_minute < MINUTES_A_DAY and 0 <= quiet.to_minute < MINUTES_A_DAY,
            "campaign.quiet_hours",
            "minutes of the day are 0 to 1 439",
        )
        # Nobody can tell whether it means no minute or all of them.
        require(
            quiet.from_minute != quiet.to_minute,
            "campaign.quiet_hours",
            "quiet hours end at another minute than they start",
        )
    if cap is not None:
        require(
            0 < cap.messages <= MAX_CAP_MESSAGES and 0 < cap.days <= MAX_CAP_DAYS,
            "campaign.frequency_cap",
            f"1 to {MAX_CAP_MESSAGES} messages in 1 to {MAX_CAP_DAYS} days",
        )


def changed(campaign: Campaign, etag: str, fields: dict[str, Any]) -> Campaign:
    """The campaign after a change of some of ``CHANGEABLE``; only a draft may be changed."""
    if etag != campaign.etag:
        raise StaleEtag("ETAG_STALE", "the campaign was changed; read it again", etag=campaign.etag)
    if campaign.state is not CampaignState.DRAFT:
        raise PreconditionFailed(
            "CAMPAIGN_NOT_DRAFT", "a launched campaign cannot be changed", state=campaign.state.name
        )
    return moved(checked(replace(campaign, **fields)))


def moved(campaign: Campaign, **fields: Any) -> Campaign:
    """The campaign with fields set and its next revision."""
    return replace(campaign, revision=campaign.revision + 1, **fields)


def paused(campaign: Campaign) -> Campaign:
    """The campaign paused; pausing again changes nothing."""
    return _steered(campaign, CampaignState.RUNNING, CampaignState.PAUSED)


def resumed(campaign: Campaign) -> Campaign:
    """The campaign running again; resuming again changes nothing."""
    return _steered(campaign, CampaignState.PAUSED, CampaignState.RUNNING)


def _steered(campaign: Campaign, before: CampaignState, after: CampaignState) -> Campaign:
    if campaign.state is after:
        return campaign
    if campaign.state is not before:
        raise PreconditionFailed(
            "CAMPAIGN_NOT_RUNNING",
            f"a campaign that is {campaign.state.name.lower()} cannot become {after.name.lower()}",
            state=campaign.state.name,
        )
    return moved(campaign, state=after)
