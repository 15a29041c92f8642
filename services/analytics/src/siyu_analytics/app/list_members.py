"""Lists the persons counted in one cell of a result, by the rows that the count came from."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from pyroaring import BitMap

from siyu_analytics.app.ask_model import kept_of
from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.compare_groups import ComparedCell, GivenSets
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_events import kept_groups as kept_event_groups
from siyu_analytics.app.query_funnel import Complete
from siyu_analytics.app.query_funnel import kept_groups as kept_funnel_groups
from siyu_analytics.app.sets import from_bytes, from_numbers
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.comparison import achievers_query
from siyu_analytics.domain.conversion import ConversionCell, Definition, conversion_members
from siyu_analytics.domain.events import EventsCell, EventsRequest, events_members
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.funnel import FunnelCell, FunnelRequest
from siyu_analytics.domain.funnel_plan import funnel_members
from siyu_analytics.domain.members import ids_query, page_query
from siyu_analytics.domain.question import Question
from siyu_analytics.domain.scope import Scope
from siyu_kit.errors import PreconditionFailed

DEFAULT_SIZE: Final = 1_000
MAX_SIZE: Final = 10_000


@dataclass(frozen=True, slots=True)
class OpenFunnel:
    """A cell of a funnel."""

    request: FunnelRequest
    cell: FunnelCell

    @property
    def scope(self) -> Scope:
        """Range and time of view."""
        return self.request.scope


@dataclass(frozen=True, slots=True)
class OpenEvents:
    """A cell of a count of events."""

    request: EventsRequest
    cell: EventsCell

    @property
    def scope(self) -> Scope:
        """Range and time of view."""
        return self.request.scope


@dataclass(frozen=True, slots=True)
class OpenConversion:
    """A cell of a conversion."""

    definition: Definition
    cell: ConversionCell

    @property
    def scope(self) -> Scope:
        """Range and time of view."""
        return self.definition.scope


@dataclass(frozen=True, slots=True)
class OpenComparison:
    """A cell of a comparison."""

    scope: Scope
    goal: EventFilter
    cell: ComparedCell


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A cell of any other model."""

    question: Question
    cell: Any
    """As the model has it."""
    other: bool = False
    """Whether it is of the group of those that are not kept."""

    @property
    def scope(self) -> Scope:
        """Range and time of view."""
        return self.question.scope


Opened: TypeAlias = OpenFunnel | OpenEvents | OpenConversion | OpenComparison | OpenModel


class Page(NamedTuple):
    """A page of members."""

    members: list[tuple[int, str]]
    """Number and id; the id is empty while it is not known."""
    total: int
    more: bool
    snapshot: Snapshot


class ListMembers:
    """The use case."""

    def __init__(self, asking: Asking, given: GivenSets) -> None:
        self._asking = asking
        self._given = given

    async def __call__(self, call: Call, opened: Opened, after: int, size: int) -> Page:
        """The call is pinned to the state of the count; ``after``: last of the page before."""
        require(0 <= size <= MAX_SIZE, "page_size", f"at most {MAX_SIZE}; 0: {DEFAULT_SIZE}")
        size = size or DEFAULT_SIZE
        scope = opened.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        if isinstance(opened, OpenComparison):
            total, page = await self._compared(call, basis, opened, after, size + 1)
        else:
            binder = Binder(basis)
            members = await self.members(call, basis, binder, opened)
            (row,) = await self._asking.rows(page_query(binder, members, after, size + 1), call)
            total, page = row["total"], row["page"]
        shown = page[:size]
        ids = await self._ids(call, basis, shown)
        listed = [(number, ids.get(number, "")) for number in shown]
        return Page(listed, total, len(page) > size, snapshot)

    async def members(self, call: Call, basis: Basis, binder: Binder, opened: Opened) -> str:
        """A SELECT of the persons of a cell of anything but a comparison: ``person``."""
        match opened:
            case OpenFunnel(request, cell):
                kept = None
                if cell.group is not None and cell.group.other:
                    found = await kept_funnel_groups(self._asking, call, basis, request)
                    kept = None if isinstance(found, Complete) else found
                return funnel_members(binder, request, cell, kept)
            case OpenEvents(asked, row):
                groups = None
                if row.group is not None and row.group.other:
                    groups = await kept_event_groups(self._asking, call, basis, asked)
                return events_members(binder, asked, row, groups)
            case OpenConversion(definition, bucket):
                return conversion_members(binder, definition, bucket)
            case OpenModel(question, of_model, other):
                named = None
                if other:
                    named = await kept_of(self._asking, call, basis, question)
                return question.members(binder, of_model, named)
            case _:
                raise TypeError(f"{type(opened).__name__} is not listed by a query")

    async def _compared(
        self, call: Call, basis: Basis, opened: OpenComparison, after: int, size: int
    ) -> tuple[int, list[int]]:
        group = self.given_group(opened)
        if opened.cell.converted:
            query = achievers_query(Binder(basis), opened.scope, opened.goal)
            group &= from_numbers((await self._asking.numbers(query, call))[0])
        first = group.rank(after)
        return len(group), list(group[first : first + size])

    def given_group(self, opened: OpenComparison) -> BitMap:
        """The persons that a comparison was given; raises PreconditionFailed (CELL_EXPIRED)."""
        data = self._given.find(opened.cell.digest)
        if data is None:
            raise PreconditionFailed(
                "CELL_EXPIRED",
                "the groups of this comparison are not held any more: compare them again",
                digest=opened.cell.digest,
            )
        return from_bytes(data, "cell_token")

    async def _ids(self, call: Call, basis: Basis, page: list[int]) -> dict[int, str]:
        if not page:
            return {}
        rows = await self._asking.rows(ids_query(Binder(basis), page), call, of_now=True)
        return {row["person_no"]: row["id"] for row in rows}
