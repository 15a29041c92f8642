"""What the contract of a model needs beside the shared parts of a question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from siyu.analytics.v1 import question_pb2
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.question import Question
from siyu_analytics.rpc.answers import group_message

Q = TypeVar("Q", bound=Question)
Mint: TypeAlias = Callable[[Any], str]
"""Makes the token of a cell; a cell is a NamedTuple of plain values and a group."""


@dataclass(frozen=True, slots=True)
class ModelRpc(Generic[Q]):
    """One model of the contract."""

    kind: str
    """Of its tokens; never another one's."""
    request: Any
    """The message of the question; it has ``project_id`` and ``scope``."""
    question_from: Callable[[Any], Q]
    fill: Callable[[Any, Q], None]
    """Writes the defaults beside those of the scope into an echo of the request."""
    respond: Callable[[ModelAnswer[Q], Mint], Any]
    """The numbers; the message has ``effective`` and ``key``, which are not filled here."""
    cell_from: Callable[[Sequence[Any]], Any]
    """The cell that a token's values name."""


def group_from(value: Any) -> GroupKey | None:
    """A group in a token."""
    return None if value is None else GroupKey(*value)


def cell(persons: int, token: str) -> question_pb2.Cell:
    """A counted set of persons."""
    return question_pb2.Cell(persons=persons, token=token)


def row_group(row: Any, *, split: bool) -> GroupKey | None:
    """The group of a row by its column ``place``; None without a breakdown."""
    return place_of(row["place"]) if split else None


def group_or_none(group: GroupKey | None) -> question_pb2.Group | None:
    """A group's message; absent without a breakdown."""
    return group_message(group) if group else None
