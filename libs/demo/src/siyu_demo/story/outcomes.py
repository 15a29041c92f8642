"""What must become of every message of a campaign, by the truth, and what the platform says."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_demo.records import Identifier
from siyu_demo.story.campaigning import CAP_MESSAGES, HOLDOUT_BASIS_POINTS, PRODUCT_RISK
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import CampaignRules, Verdict, decide, is_held_out

CHANNELS: Mapping[int, str] = {touch.CHANNEL_IN_APP: "in_app", touch.CHANNEL_PUSH: "push"}
WENT_OUT = frozenset(
    {
        touch.SEND_STATE_ACCEPTED,
        touch.SEND_STATE_DELIVERED,
        touch.SEND_STATE_READ,
        touch.SEND_STATE_CLICKED,
    }
)
SENT = "sent"
_WORDS = {
    Verdict.SEND: SENT,
    Verdict.NO_CONSENT: "consent: CONSENT_MISSING",
    Verdict.CONSENT_WITHDRAWN: "consent: CONSENT_WITHDRAWN",
    Verdict.NOT_ASSESSED: "suitability: NOT_ASSESSED",
    Verdict.RATING_EXPIRED: "suitability: RATING_EXPIRED",
    Verdict.ABOVE_LEVEL: "suitability: ABOVE_LEVEL",
    Verdict.NO_ADDRESS: "address: NO_ADDRESS",
    Verdict.QUIET_HOURS: "quiet_hours: QUIET_HOURS",
    Verdict.FREQUENCY: "frequency: CAP_REACHED",
}
"""The truth's verdicts as the platform's gates and reasons."""
_TRIED = WENT_OUT | {touch.SEND_STATE_FAILED, touch.SEND_STATE_UNKNOWN}

Key = tuple[int, int]
"""Number of a person, and a channel."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A campaign's outcomes by the truth."""

    held_out: set[Identifier]
    outcomes: Mapping[Key, str]

    def counts(self, channel: int) -> Counter[str]:
        """Messages of a channel by outcome."""
        return Counter(word for (_, on), word in self.outcomes.items() if on == channel)


def expected(
    stage: Stage,
    campaign: touch.Campaign,
    audience: Iterable[Identifier],
    channels: Iterable[int],
    sent_before: Callable[[Identifier], int] = lambda _person: 0,
) -> Expected:
    """Decide every message anew from what the back office stated."""
    rules = CampaignRules(product_risk=PRODUCT_RISK, cap=CAP_MESSAGES)
    office, launch_ms = stage.office, campaign.launch_time_ms
    held_out: set[Identifier] = set()
    outcomes: dict[Key, str] = {}
    for person in audience:
        number = stage.numbers.person_no[person]
        if is_held_out(PROJECT, campaign.campaign_id, str(number), HOLDOUT_BASIS_POINTS):
            held_out.add(person)
            continue
        before = sent_before(person)
        for channel in channels:
            standing = office.standing(person[1], CHANNELS[channel], "marketing", launch_ms)
            verdict = decide(rules, standing, launch_ms, before)
            outcomes[number, channel] = _WORDS[verdict]
            before += verdict is Verdict.SEND
    return Expected(held_out, outcomes)


def words() -> list[str]:
    """All outcomes, in the order of the gates."""
    return list(_WORDS.values())


def outcome(state: int, gate: str, reason: str) -> str:
    """An outcome as the platform states it: whether it was tried, else the gate and the reason."""
    if state in _TRIED:
        return SENT
    if state == touch.SEND_STATE_REFUSED:
        return f"{gate}: {reason}"
    return state_name(state).lower()


def state_name(state: int) -> str:
    """A state's name without the prefix that protobuf wants."""
    name: str = touch.SendState.Name(touch.SendState.ValueType(state))
    return name.removeprefix("SEND_STATE_")


def outcomes(sends: Iterable[touch.Send]) -> dict[Key, str]:
    """The platform's outcome of every message."""
    return {
        (send.person_no, send.channel): outcome(send.state, send.gate, send.reason)
        for send in sends
    }


def counted(summary: touch.CampaignSummary, channel: int) -> Counter[str]:
    """The platform's counts of a channel by outcome."""
    counts: Counter[str] = Counter()
    for row in summary.counts:
        if row.channel == channel:
            counts[outcome(row.state, row.gate, row.reason)] += row.sends
    return counts


def in_states(summary: touch.CampaignSummary, channel: int, states: Iterable[int]) -> int:
    """Messages of a channel in some states."""
    wanted = set(states)
    return sum(
        row.sends for row in summary.counts if row.channel == channel and row.state in wanted
    )
