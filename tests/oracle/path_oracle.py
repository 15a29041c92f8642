"""Paths: the first or last target of each session, and what lies around it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from oracle.condition_oracle import is_meant
from oracle.session_oracle import sessions_of
from oracle.texts import property_text
from siyu.analytics.v1 import path_pb2 as pb
from siyu.analytics.v1 import session_pb2


class Path(NamedTuple):
    """One path: names from the target away, and whether it would go on."""

    names: list[Any]
    more: bool


def paths_of(request: pb.QueryPathsRequest, events: Sequence[Any]) -> list[Path]:
    """The paths of a person."""
    asked = session_pb2.QuerySessionsRequest(scope=request.scope, rule=request.rule)
    if asked.rule.events:
        asked.rule.events.append(request.target)
    found = []
    for session in sessions_of(asked, events):
        ordered = session[::-1] if request.backwards else session
        places = [n for n, event in enumerate(ordered) if is_meant(event, request.target)]
        if not places:
            continue
        began = ordered[places[0]].event_time_ms
        near = [
            event
            for event in ordered[places[0] :]
            if abs(event.event_time_ms - began) <= request.limit_ms
        ]
        names = [name_of(request, event) for event in near]
        found.append(Path(names[: request.steps], len(names) > request.steps))
    return found


def name_of(request: pb.QueryPathsRequest, event: Any) -> Any:
    """The event's name, and its value where it is told apart by one."""
    if event.name != request.split_event:
        return event.name, False, None
    return event.name, True, property_text(event, request.split_property)
