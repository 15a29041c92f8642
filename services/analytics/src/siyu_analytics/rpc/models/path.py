"""QueryPaths."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import path_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.path import CUT, ENDED, MARK, PathCell, Paths
from siyu_analytics.rpc.conditions import event_from
from siyu_analytics.rpc.mapping import scope_from
from siyu_analytics.rpc.models.model import Mint, ModelRpc, cell
from siyu_analytics.rpc.models.session import rule_from


def _question(message: pb.QueryPathsRequest) -> Paths:
    return Paths(
        scope_from(message.scope, "scope"),
        rule_from(message.rule, "rule"),
        event_from(message.target, "target"),
        message.backwards,
        message.limit_ms,
        message.steps,
        message.nodes,
        message.split_event,
        message.split_property,
    )


def _fill(echo: pb.QueryPathsRequest, asked: Paths) -> None:
    echo.rule.timeout_ms = asked.rule.timeout_ms
    echo.limit_ms, echo.steps, echo.nodes = asked.limit_ms, asked.steps, asked.nodes


def _respond(answer: ModelAnswer[Paths], mint: Mint) -> pb.QueryPathsResponse:
    response = pb.QueryPathsResponse()
    nodes: dict[tuple[int, GroupKey], pb.PathNode] = {}
    for row in answer.rows:
        step, here, there = row["step"], _key(row["here"]), _key(row["there"])
        if row["whole"]:
            token = mint(PathCell(step, here, None, None))
            node = response.nodes.add(
                step=step,
                name=_name(here),
                paths=row["paths"],
                persons=cell(row["persons"], token),
                ended_persons=cell(0, mint(PathCell(step, here, ENDED, None))),
            )
            nodes[step, here] = node
            response.paths += 0 if step else row["paths"]
        elif row["fate"] == ENDED:
            node = nodes[step, here]
            node.ended, node.ended_persons.persons = row["paths"], row["persons"]
        elif row["fate"] == CUT:
            nodes[step, here].cut = row["paths"]
        else:
            token = mint(PathCell(step, here, row["fate"], there))
            response.links.add(
                step=step,
                near=_name(here),
                far=_name(there),
                paths=row["paths"],
                persons=cell(row["persons"], token),
            )
    return response


def _key(value: Any) -> GroupKey:
    text, other = value.values() if isinstance(value, dict) else value
    return GroupKey(str(text), other=bool(other))


def _name(key: GroupKey) -> pb.PathName:
    if key.other:
        return pb.PathName(other=True)
    event, mark, value = key.value.partition(MARK)
    split = None
    if mark:
        split = question_pb2.Group(value=value[1:], missing=value[0] == "m")
    return pb.PathName(event_name=event, value=split)


def _cell(values: Sequence[Any]) -> PathCell:
    step, here, fate, there = values
    return PathCell(step, GroupKey(*here), fate, GroupKey(*there) if there else None)


RPC: Final = ModelRpc("p", pb.QueryPathsRequest, _question, _fill, _respond, _cell)
