"""Chapter 7: what the campaign changed, and one that changed nothing."""

import time
from collections.abc import Iterable

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import call
from siyu_demo.records import Identifier, Record
from siyu_demo.simulator import Reactions, react
from siyu_demo.story.arrival.events import ingest
from siyu_demo.story.campaigning import approved_templates, completed, launched
from siyu_demo.story.chapters.sending import TEXTS
from siyu_demo.story.checks import Pair
from siyu_demo.story.counting import stored
from siyu_demo.story.outcomes import counted, expected
from siyu_demo.story.stage import PROJECT, Campaign, Stage
from siyu_demo.truth import compare

TITLE = "Customers react; was it the campaign?"
_EVERY = 10
"""One customer of so many trades anyway, reached or not, in the second comparison."""


async def tell(stage: Stage) -> None:
    """Reactions to the campaign and its report, then a campaign that makes no difference."""
    campaign = stage.campaign
    if campaign is None:
        raise RuntimeError("the campaign comes before its effect")
    now_ms = _now_ms()
    reactions = Reactions(stage.settings.seed, campaign.launch_ms, now_ms)
    untouched = campaign.audience - campaign.reached
    records = list(react(reactions, _numbers(campaign.reached), _numbers(untouched)))
    await _arrive(stage, records, "Reactions to the campaign")
    await _report(stage, campaign, records, now_ms, "The campaign")

    second = await _second(stage, campaign)
    now_ms = _now_ms()
    anyway = Reactions(stage.settings.seed + 1, second.launch_ms, now_ms, 1.0, 1.0)
    some = [
        person
        for group in (second.audience - second.held_out, second.held_out)
        for person in sorted(group)[::_EVERY]
    ]
    records = list(react(anyway, _numbers(some), []))
    await _arrive(stage, records, "What some do anyway")
    await _report(stage, second, records, now_ms, "A campaign that nobody minded")


async def _second(stage: Stage, first: Campaign) -> Campaign:
    """The white paper's audience, in the app alone; the frequency cap remembers the first one."""
    below = min(stage.segments)
    audience = stage.audiences[below]
    templates = await approved_templates(stage, TEXTS[:1])
    campaign = await launched(stage, "首单引导（白皮书）", stage.segments[below], templates)
    answer = await completed(stage, campaign.campaign_id, lambda _done, _total: None)
    channels = [touch.CHANNEL_IN_APP]
    must = expected(stage, campaign, audience, channels, lambda person: first.messages[person])
    found, truth = counted(answer.summary, channels[0]), must.counts(channels[0])
    with stage.checks.table("The second campaign by gate and reason") as table:
        for word in sorted({*found, *truth}):
            table.row(word, Pair(found[word], truth[word]))
        table.row("held out", Pair(answer.summary.held_out, len(must.held_out)))
    return Campaign(
        campaign_id=campaign.campaign_id,
        launch_ms=campaign.launch_time_ms,
        audience=audience,
        held_out=must.held_out,
        reached=set(),
        messages=first.messages,
    )


async def _arrive(stage: Stage, records: list[Record], title: str) -> None:
    """Send the reactions by gRPC and wait until they can be asked for."""
    accepted, refused = await ingest(stage.client, list(stage.ledger.through(records)))
    totals = stage.ledger.totals
    with stage.checks.table(title) as table:
        table.row("taken at the door", Pair(accepted, len(records)))
        table.row("refused", Pair(refused, 0))
        for name in sorted({record.event for record in records}):
            table.row(
                f"{name} in the store", Pair(await stored(stage, name, totals[name]), totals[name])
            )


async def _report(
    stage: Stage, campaign: Campaign, records: list[Record], to_ms: int, title: str
) -> None:
    request = touch.GetEffectReportRequest(
        project_id=PROJECT, campaign_id=campaign.campaign_id, to_time_ms=to_ms
    )
    found = await call(stage.client.touch.GetEffectReport, request, timeout_s=60.0)
    converted = {record.subject for record in records if record.event == "trade"}
    truth = compare(campaign.audience - campaign.held_out, campaign.held_out, converted)
    groups = (
        ("to be touched", found.treated, campaign.audience - campaign.held_out, truth.treated),
        ("held out", found.held_out, campaign.held_out, truth.held_out),
    )
    columns = ("persons", "traded", "rate", "95 % from", "to")
    with stage.checks.table(title, *columns) as table:
        for name, group, persons, share in groups:
            table.row(
                name,
                Pair(group.persons, len(persons)),
                Pair(group.converted, len(persons & converted)),
                Pair(group.rate, share.value),
                Pair(group.rate_low, share.low),
                Pair(group.rate_high, share.high),
            )
        uplift = truth.uplift
        table.row(
            "difference",
            None,
            None,
            Pair(found.uplift, uplift.value),
            Pair(found.uplift_low, uplift.low),
            Pair(found.uplift_high, uplift.high),
        )
    with stage.checks.table(f"{title}: verdict") as table:
        table.row("the interval leaves out 0", Pair(found.significant, truth.significant))
        table.row("in words", Pair(found.verdict, truth.verdict))
    example: dict[str, object] = {"project_id": PROJECT, "campaign_id": campaign.campaign_id}
    stage.examples.append(("touch", "GetEffectReport", example))


def _numbers(persons: Iterable[Identifier]) -> list[str]:
    return sorted(value for _, value in persons)


def _now_ms() -> int:
    return int(time.time() * 1000)
