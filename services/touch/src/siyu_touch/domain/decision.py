"""Decisions with their inputs, in a chain that shows any later change."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from siyu_kit.crypto.chain import linked


class Outcome(StrEnum):
    """What was decided."""

    SEND = "send"
    REFUSE = "refuse"
    DEFER = "defer"
    HOLD_OUT = "hold_out"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Verdict:
    """What one gate said, and what it looked at."""

    gate: str
    passed: bool
    reason: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """One decision about one send, not yet in the chain."""

    campaign_id: str
    person_no: int
    send_key: str
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    decision_time_ms: int


@dataclass(frozen=True)
class Recorded:
    """A decision in its place; ``chain_digest`` covers it and all before it."""

    sequence: int
    decision: Decision
    chain_digest: str


def verdicts_text(verdicts: Iterable[Verdict]) -> str:
    """The verdicts as one text, the same for the same verdicts."""
    rows = [[one.gate, one.passed, one.reason, dict(one.inputs)] for one in verdicts]
    return json.dumps(rows, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def verdicts_from(text: str) -> tuple[Verdict, ...]:
    """What ``verdicts_text`` wrote."""
    return tuple(Verdict(gate, passed, reason, inputs) for gate, passed, reason, inputs in
                 json.loads(text))  # fmt: skip


def link(previous: str, project_id: str, sequence: int, decision: Decision) -> str:
    """The next digest: SM3(previous digest | canonical record), hexadecimal."""
    return linked(
        previous,
        project_id,
        str(sequence),
        decision.campaign_id,
        str(decision.person_no),
        decision.send_key,
        decision.outcome,
        str(decision.decision_time_ms),
        verdicts_text(decision.verdicts),
    )


def chain(
    previous: str, sequence: int, project_id: str, decisions: Iterable[Decision]
) -> list[Recorded]:
    """Decisions in their places after ``sequence``, whose digest is ``previous``."""
    recorded: list[Recorded] = []
    for place, decision in enumerate(decisions, sequence + 1):
        previous = link(previous, project_id, place, decision)
        recorded.append(Recorded(place, decision, previous))
    return recorded
