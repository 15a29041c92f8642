"""Cells of answers, opened; and how many random cases a test of them tries."""

from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from oracle.strategies import histories
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from support.analytics_questions import Questions

_CHECKS: Final = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture,
    HealthCheck.large_base_example,
]
few = settings(max_examples=4, suppress_health_check=_CHECKS)
"""Examples of each run; an example is a list of data sets, each with its question."""
lots = settings(max_examples=170, suppress_health_check=_CHECKS)
"""The same at length: more than 500 data sets."""


def cases_of(question: Any, most: int) -> st.SearchStrategy[list[Any]]:
    """Histories, each with a question, so many at most in one insert."""
    return st.lists(st.tuples(histories(), question), min_size=1, max_size=most)


def draw_split(draw: st.DrawFn, request: Any) -> bool:
    """Split a question by a property, by a trait, or not at all; tells whether it is split."""
    split = draw(st.sampled_from(["", "kind", "city"]))
    if split:
        setattr(request.breakdown, "trait" if split == "city" else "event_property", split)
    return bool(split)


def draw_split_over_time(draw: st.DrawFn, request: Any) -> None:
    """The same; by days instead of hours: fewer rows, for all of the groups."""
    if draw_split(draw, request) and request.granularity == question_pb2.GRANULARITY_HOUR:
        request.granularity = question_pb2.GRANULARITY_DAY


async def members(questions: Questions, project: str, cell: question_pb2.Cell) -> set[int]:
    """The persons of a cell over all pages; as many as it counts."""
    found: set[int] = set()
    token = ""
    while True:
        request = pb.ListMembersRequest(
            project_id=project, cell_token=cell.token, page_size=5, page_token=token
        )
        page = await questions.rpc.ListMembers(request, None)
        assert page.total == cell.persons
        found |= {member.person_no for member in page.members}
        token = page.next_page_token
        if not token:
            assert len(found) == cell.persons
            return found
