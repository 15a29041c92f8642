"""Chapter 6: a campaign: who got which message, who did not, and why."""

from collections import Counter

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_demo.records import Identifier
from siyu_demo.story import inbox, listing
from siyu_demo.story.campaigning import Text, approved_templates, completed, launched
from siyu_demo.story.checks import Pair
from siyu_demo.story.counting import stored
from siyu_demo.story.outcomes import (
    CHANNELS,
    SENT,
    WENT_OUT,
    Expected,
    counted,
    expected,
    in_states,
    outcomes,
    words,
)
from siyu_demo.story.progress import bars
from siyu_demo.story.push_receiver import CUT, REFUSED, TAKEN, PushMessage
from siyu_demo.story.stage import Campaign, Stage
from siyu_demo.story.why import show_why

TITLE = "A campaign, gate by gate"
_TITLES = ["in-app (App 弹窗)", "push"]
TEXTS = [
    Text("首单引导-弹窗", touch.CHANNEL_IN_APP, inbox.TITLE_TEMPLATE, inbox.BODY_TEMPLATE),
    Text(
        "首单引导-推送",
        touch.CHANNEL_PUSH,
        "今日要闻已更新",
        "读三篇要闻，看懂 300ETF。投资有风险，入市需谨慎。",
    ),
]


async def tell(stage: Stage) -> None:
    """Write, approve, launch, watch it end, and account for every message."""
    below = max(stage.segments)
    audience = stage.audiences[below]
    templates = await approved_templates(stage, TEXTS)
    campaign = await launched(stage, "首单引导", stage.segments[below], templates)
    with bars(stage.console) as progress:
        task = progress.add_task("messages decided and sent", total=None)
        answer = await completed(
            stage,
            campaign.campaign_id,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    must = expected(stage, campaign, audience, CHANNELS)
    sends = await listing.sends(stage, campaign.campaign_id)
    messages = stage.receiver.messages()
    _show_outcomes(stage, answer.summary, must)
    _show_sends(stage, sends, must, audience)
    _show_push(stage, answer.summary, sends, messages, must)
    _show_sum(stage, answer.summary, must, audience)
    await _show_told(stage, messages, must)
    names = {stage.numbers.person_no[person]: person for person in audience}
    stage.campaign = Campaign(
        campaign_id=campaign.campaign_id,
        launch_ms=campaign.launch_time_ms,
        audience=audience,
        held_out=must.held_out,
        reached={names[send.person_no] for send in sends if send.state in WENT_OUT},
        messages=Counter(
            names[send.person_no]
            for send in sends
            if send.state in WENT_OUT or send.state == touch.SEND_STATE_UNKNOWN
        ),
    )
    await inbox.show(stage, campaign.campaign_id, must)
    await show_why(stage, campaign.campaign_id, must, len(audience) * len(CHANNELS))


def _show_outcomes(stage: Stage, summary: touch.CampaignSummary, must: Expected) -> None:
    found = [counted(summary, channel) for channel in CHANNELS]
    truth = [must.counts(channel) for channel in CHANNELS]
    states = {word for counts in [*found, *truth] for word in counts}
    known = [word for word in words() if word in states]
    with stage.checks.table("Messages by gate and reason", *_TITLES) as table:
        for word in [*known, *sorted(states.difference(known))]:
            pairs = [Pair(one[word], other[word]) for one, other in zip(found, truth, strict=True)]
            table.row(word, *pairs)


def _show_sends(
    stage: Stage, sends: list[touch.Send], must: Expected, audience: set[Identifier]
) -> None:
    found = outcomes(sends)
    touched = audience - must.held_out
    with stage.checks.table("One by one") as table:
        table.row("messages as they must be", Pair(set(found.items()), set(must.outcomes.items())))
        persons = {send.person_no for send in sends}
        table.row("persons not held out", Pair(persons, stage.numbers.of(touched)))


def _show_push(
    stage: Stage,
    summary: touch.CampaignSummary,
    sends: list[touch.Send],
    messages: list[PushMessage],
    must: Expected,
) -> None:
    """The provider's own record against the platform's states."""
    answers = Counter(message.answer for message in messages)
    keys = Counter(message.send_key for message in messages)
    person = {send.send_key: send.person_no for send in sends}
    reached = {(person.get(message.send_key), touch.CHANNEL_PUSH) for message in messages}
    due = {key for key, word in must.outcomes.items() if word == SENT}
    states = (
        ("accepted", WENT_OUT, TAKEN),
        ("failed: refused by the provider", [touch.SEND_STATE_FAILED], REFUSED),
        ("unknown: taken, then the line was cut", [touch.SEND_STATE_UNKNOWN], CUT),
    )
    with stage.checks.table("Push, by the receiver's record") as table:
        for name, wanted, answer in states:
            found = in_states(summary, touch.CHANNEL_PUSH, wanted)
            table.row(name, Pair(found, answers[answer]))
        table.row("most messages for one send key", Pair(max(keys.values(), default=1), 1))
        pushes = {key for key in due if key[1] == touch.CHANNEL_PUSH}
        table.row("customers who were to get one", Pair(reached, pushes))


def _show_sum(
    stage: Stage, summary: touch.CampaignSummary, must: Expected, audience: set[Identifier]
) -> None:
    held_out = len(must.held_out)
    with stage.checks.table("Nothing is lost") as table:
        table.row("audience", Pair(summary.audience, len(audience)))
        table.row("held out", Pair(summary.held_out, held_out))
        for channel, title in zip(CHANNELS, _TITLES, strict=True):
            total = sum(counted(summary, channel).values()) + summary.held_out
            table.row(f"{title}: sent + refused + held out", Pair(total, len(audience)))


async def _show_told(stage: Stage, messages: list[PushMessage], must: Expected) -> None:
    """What touch tells about its messages comes back as events, as any other."""
    answers = Counter(message.answer for message in messages)
    outcome = Counter(must.outcomes.values())
    told = {
        "touch_sent": outcome[SENT] - answers[REFUSED] - answers[CUT],
        "touch_failed": answers[REFUSED],
        "touch_refused": sum(outcome.values()) - outcome[SENT],
    }
    with stage.checks.table("Told as events, and queryable") as table:
        for name, events in told.items():
            table.row(name, Pair(await stored(stage, name, events), events))
