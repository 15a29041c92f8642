"""Counts decisions and sends as metrics, once what they say is committed."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from opentelemetry.metrics import Counter as MetricCounter
from opentelemetry.metrics import Meter

from siyu_kit.metric_defs import TOUCH_DECISIONS, TOUCH_PUT_OFF, TOUCH_SENDS
from siyu_kit.telemetry import active
from siyu_touch.domain.decision import Decision, Outcome
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import Channel

_PASSED: Final = ("", "")


def count_decisions(project_id: str, channel: Channel, decisions: Iterable[Decision]) -> None:
    """Count decisions by outcome, and by gate and reason where a gate held the message."""
    counted = Counter((decision.outcome, *_held_by(decision)) for decision in decisions)
    for (outcome, gate, reason), number in counted.items():
        labels = {
            "project_id": project_id,
            "channel": channel.label,
            "outcome": outcome.value,
            "gate": gate,
            "reason": reason,
        }
        _counters(active().meter)[0].add(number, labels)


def count_sends(sends: Iterable[Send]) -> None:
    """Count sends that came into their present state."""
    counted = Counter((send.project_id, send.channel, send.state) for send in sends)
    for (project_id, channel, state), number in counted.items():
        labels = {
            "project_id": project_id,
            "channel": channel.label,
            "state": state.name.lower(),
        }
        _counters(active().meter)[1].add(number, labels)


def count_put_off(project_id: str, reason: str) -> None:
    """Count a campaign, or a person of it, that must wait because something failed."""
    _counters(active().meter)[2].add(1, {"project_id": project_id, "reason": reason})


def _held_by(decision: Decision) -> tuple[str, str]:
    """The last gate asked is the one that held it; its reasons are the domain's own words."""
    if decision.outcome is Outcome.SEND or not decision.verdicts:
        return _PASSED
    return decision.verdicts[-1].gate, decision.verdicts[-1].reason


@lru_cache(maxsize=1)
def _counters(meter: Meter) -> tuple[MetricCounter, MetricCounter, MetricCounter]:
    return TOUCH_DECISIONS.on(meter), TOUCH_SENDS.on(meter), TOUCH_PUT_OFF.on(meter)
