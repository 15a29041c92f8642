"""One person's "why": every gate that a message passed, and the one that held it."""

from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import call
from siyu_demo.story.checks import Pair
from siyu_demo.story.outcomes import CHANNELS, SENT, Expected, outcomes
from siyu_demo.story.stage import PROJECT, Stage


async def show_why(stage: Stage, campaign_id: str, must: Expected, decisions: int) -> None:
    """Explain one person whom a gate refused, then check the chain of all decisions.

    ``decisions`` is how many the campaign must have made: one for each person and channel.
    """
    number = _somebody(must)
    request = touch.ExplainPersonRequest(
        project_id=PROJECT, campaign_id=campaign_id, person_no=number
    )
    answer = await call(stage.client.touch.ExplainPerson, request)
    found = outcomes(answer.sends)
    due = {key: word for key, word in must.outcomes.items() if key[0] == number}
    with stage.checks.table(f"Why person {number} got what they got") as table:
        table.row("in the audience", Pair(answer.in_audience, True))
        table.row("held out", Pair(answer.held_out, False))
        for key, word in due.items():
            table.row(CHANNELS[key[1]], Pair(found.get(key), word))
    for decision in answer.decisions:
        _print(stage, decision)
    await _show_chain(stage, decisions)
    example: dict[str, object] = {
        "project_id": PROJECT,
        "campaign_id": campaign_id,
        "person_no": number,
    }
    stage.examples.append(("touch", "ExplainPerson", example))


def _somebody(must: Expected) -> int:
    """A person with one message sent and another refused, else anybody refused, else anybody."""
    by_person: dict[int, set[str]] = {}
    for (number, _), word in sorted(must.outcomes.items()):
        by_person.setdefault(number, set()).add(word)
    return min(
        by_person,
        key=lambda number: (by_person[number] == {SENT}, -len(by_person[number]), number),
    )


def _print(stage: Stage, decision: touch.Decision) -> None:
    stage.console.print(
        f"  decision {decision.sequence}: [bold]{decision.outcome}[/]"
        f"  (send {decision.send_key[:8]}, chain {decision.chain_digest[:8]})",
        highlight=False,
    )
    for verdict in decision.verdicts:
        mark = "[green]passed[/]" if verdict.passed else f"[yellow]{verdict.reason}[/]"
        inputs = ", ".join(f"{name}={value[:24]}" for name, value in sorted(verdict.inputs.items()))
        stage.console.print(f"    {verdict.gate:<12} {mark}  [dim]{inputs}[/]", highlight=False)


async def _show_chain(stage: Stage, decisions: int) -> None:
    request = touch.VerifyDecisionsRequest(project_id=PROJECT)
    answer = await call(stage.client.touch.VerifyDecisions, request, timeout_s=60.0)
    with stage.checks.table("The chain of decisions") as table:
        table.row("decisions", Pair(answer.decisions, decisions))
        table.row("intact", Pair(answer.intact, True))
        table.row("broken at", Pair(answer.broken_sequence, 0))
