"""The graph that parents and links make of spans, and ways through it."""

from collections import defaultdict, deque
from collections.abc import Mapping

from support.otlp_receiver import Ids, SpanSeen


def edges(spans: Mapping[Ids, SpanSeen]) -> dict[Ids, set[Ids]]:
    """Both directions of every parent and link edge whose ends were both received."""
    found: defaultdict[Ids, set[Ids]] = defaultdict(set)
    for ids, span in spans.items():
        causes = {*span.links, (ids[0], span.parent)}
        for cause in causes & spans.keys():
            found[ids].add(cause)
            found[cause].add(ids)
    return dict(found)


def way(spans: Mapping[Ids, SpanSeen], start: Ids, goal: Ids) -> list[SpanSeen]:
    """The shortest way from one span to another; empty when there is none."""
    came_from = _reached(spans, start)
    if goal not in came_from:
        return []
    back = [goal]
    while back[-1] != start:
        back.append(came_from[back[-1]])
    return [spans[ids] for ids in reversed(back)]


def _reached(spans: Mapping[Ids, SpanSeen], start: Ids) -> dict[Ids, Ids]:
    """Every span that a way leads to, with the one before it on the shortest."""
    steps = edges(spans)
    came_from: dict[Ids, Ids] = {start: start}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        for following in steps.get(at, ()):
            if following not in came_from:
                came_from[following] = at
                waiting.append(following)
    return came_from


def dangling(spans: Mapping[Ids, SpanSeen], start: Ids) -> list[SpanSeen]:
    """Spans that some way leads to, and that have a parent or a link that nobody has sent."""
    return [
        span
        for ids, span in ((ids, spans[ids]) for ids in _reached(spans, start))
        if (span.parent and (ids[0], span.parent) not in spans)
        or any(link not in spans for link in span.links)
    ]
