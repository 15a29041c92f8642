"""Funnels, by trying every choice of events and taking the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from oracle.condition_oracle import is_meant
from siyu.condition.v1 import condition_pb2 as pb
from siyu.event.v1 import event_pb2


@dataclass(frozen=True)
class FunnelQuestion:
    """Who went how far."""

    steps: Sequence[pb.EventFilter]
    from_ms: int
    to_ms: int
    as_of_ms: int
    window_ms: int
    strict: bool


@dataclass(frozen=True)
class Path:
    """A person's best path: the times of the steps, and the entry event."""

    times: tuple[int, ...]
    entry: event_pb2.Event


def best_path(question: FunnelQuestion, events: Sequence[event_pb2.Event]) -> Path | None:
    """Of all chains the deepest; of those the earliest entry, then each next step the earliest.

    Chains are compared as their times: the deepest, then the smallest in order of the steps.
    """
    seen = [e for e in events if e.event_time_ms <= question.as_of_ms]
    step_times = sorted(
        {e.event_time_ms for e in seen if any(is_meant(e, step) for step in question.steps)}
    )
    fits = [{e.event_time_ms for e in seen if is_meant(e, step)} for step in question.steps]
    found: list[tuple[int, ...]] = []

    def extend(chain: tuple[int, ...]) -> None:
        found.append(chain)
        if len(chain) == len(question.steps):
            return
        for time in fits[len(chain)]:
            if time > chain[-1] and time - chain[0] <= question.window_ms:
                extend((*chain, time))

    for time in fits[0]:
        if question.from_ms <= time < question.to_ms:
            extend((time,))
    if question.strict:
        found = [chain for chain in found if not _interrupted(chain, step_times)]
    if not found:
        return None
    times = min(found, key=lambda chain: (-len(chain), chain))
    entries = [e for e in seen if e.event_time_ms == times[0] and is_meant(e, question.steps[0])]
    return Path(times, min(entries, key=lambda event: event.message_id))


def _interrupted(chain: tuple[int, ...], step_times: list[int]) -> bool:
    return any(a < time < b for a, b in pairwise(chain) for time in step_times)
