"""Funnels, by following every entry, or by trying every choice of events and taking the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.calendar_oracle import period_start
from oracle.condition_oracle import is_meant
from oracle.texts import property_text
from siyu.analytics.v1 import analytics_service_pb2 as apb
from siyu.analytics.v1 import question_pb2
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
    order: int = apb.FUNNEL_ORDER_SEQUENTIAL
    exclusions: Sequence[apb.FunnelExclusion] = ()
    same_property: str = ""
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True)
class Path:
    """A person's best path: the times of the steps, and the event of each."""

    times: tuple[int, ...]
    events: tuple[event_pb2.Event, ...]


def best_path(question: FunnelQuestion, events: Sequence[event_pb2.Event]) -> Path | None:
    """The best of the paths of each value of the shared property; without one, of all events."""
    seen = [e for e in events if e.event_time_ms <= question.as_of_ms]
    if not question.same_property:
        return _best(question, seen)
    groups = {property_text(e, question.same_property) for e in seen} - {None}
    paths = {}
    for value in groups:
        own = [e for e in seen if property_text(e, question.same_property) == value]
        path = _best(question, own)
        if path:
            paths[str(value)] = path
    if not paths:
        return None
    rank = {v: (*_rank(question.order, p.times), v.encode()) for v, p in paths.items()}
    return paths[min(paths, key=lambda value: rank[value])]


def _rank(order: int, chain: tuple[int, ...]) -> tuple[object, ...]:
    if order == apb.FUNNEL_ORDER_NEAREST:
        return -len(chain), chain[-1], tuple(-t for t in reversed(chain))
    return -len(chain), chain


def _best(question: FunnelQuestion, seen: Sequence[event_pb2.Event]) -> Path | None:
    def at(event: event_pb2.Event) -> int:
        return _moment(question, event.event_time_ms)

    steps = range(len(question.steps))
    fits = [[e for e in seen if is_meant(e, step)] for step in question.steps]
    if question.order == apb.FUNNEL_ORDER_ANY_ORDER:
        everything = [e for own in fits for e in own]
        entries = {at(e) for e in everything if _enters(question, e)}
        chains = [
            _gathered(question, start, [{at(e) for e in f} for f in fits]) for start in entries
        ]
        of_step = [everything for _ in steps]
    else:
        first = [e for e in fits[0] if _enters(question, e)]
        times = [{at(e) for e in own} for own in fits]
        chains = [chain for e in first for chain in _chains(question, at(e), times, seen)]
        of_step = [first, *fits[1:]]
    if not chains:
        return None
    best = min(chains, key=lambda chain: _rank(question.order, chain))
    of_path = tuple(
        min((e for e in of_step[k] if at(e) == time), key=lambda e: e.message_id)
        for k, time in enumerate(best)
    )
    return Path(best, of_path)


def _enters(question: FunnelQuestion, event: event_pb2.Event) -> bool:
    return question.from_ms <= event.event_time_ms < question.to_ms


def _moment(question: FunnelQuestion, time_ms: int) -> int:
    if question.order != apb.FUNNEL_ORDER_GROWINGIO_TOLERANT:
        return time_ms
    day, hour = question_pb2.GRANULARITY_DAY, question_pb2.GRANULARITY_HOUR
    today = period_start(question.as_of_ms, day, question.zone)
    return period_start(time_ms, hour if time_ms >= today else day, question.zone)


def _gathered(question: FunnelQuestion, start: int, times: list[set[int]]) -> tuple[int, ...]:
    within = [[t for t in own if start <= t <= start + question.window_ms] for own in times]
    return tuple(sorted(min(own) for own in within if own))


def _chains(
    question: FunnelQuestion,
    start: int,
    times: list[set[int]],
    seen: Sequence[event_pb2.Event],
) -> list[tuple[int, ...]]:
    """The chains of an entry: every choice where all are good, else the one of first events."""
    free = question.order == apb.FUNNEL_ORDER_SEQUENTIAL and not question.exclusions
    tolerant = question.order == apb.FUNNEL_ORDER_GROWINGIO_TOLERANT
    found: list[tuple[int, ...]] = []

    def extend(chain: tuple[int, ...]) -> None:
        found.append(chain)
        step = len(chain)
        if step == len(times):
            return
        later = sorted(t for t in times[step] if t > chain[-1] or (tolerant and t == chain[-1]))
        if not free and question.order != apb.FUNNEL_ORDER_NEAREST:
            later = later[:1]
        for time in later:
            inside = time - start <= question.window_ms
            if inside and not _cut(question, chain[-1], time, step, seen):
                extend((*chain, time))

    extend((start,))
    return found


def _cut(
    question: FunnelQuestion,
    before: int,
    time: int,
    step: int,
    seen: Sequence[event_pb2.Event],
) -> bool:
    cutting: list[pb.EventFilter] = []
    if question.order == apb.FUNNEL_ORDER_STRICT:
        cutting += question.steps
    if question.order == apb.FUNNEL_ORDER_STRICT_DEDUP:
        cutting += question.steps[:step]
    cutting += [x.event for x in question.exclusions if x.from_step < step <= x.to_step]
    between = [e for e in seen if before < e.event_time_ms < time]
    return any(is_meant(e, item) for e in between for item in cutting)
