"""The same key gives the same digest, whatever came to the store since."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import formula_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu.type.v1.result_key_pb2 import StoreState
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.projection_ports import IdentityChange, ProfileChange, Progress
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.projections import EngineProjections
from siyu_kit.clock import SystemClock
from siyu_kit.errors import InvalidInput
from siyu_kit.rpc.paging import PageTokens
from support.analytics_questions import NOW_MS, Event, Questions, World, person_id
from support.every_question import every_question

HOUR_MS = 3_600_000
FROM_MS = NOW_MS - 5 * 24 * HOUR_MS
IDENTS = 9
NAMES = ("launch", "view", "click", "search", "deposit", "trade")
CHANNELS = ("app", "web", "sms")
CASES = pytest.mark.parametrize(
    "cases", [0, pytest.param(150, marks=[pytest.mark.slow, pytest.mark.timeout(3_600)])]
)
MOVES = st.lists(st.tuples(st.integers(1, IDENTS), st.integers(1, IDENTS)), max_size=4)


@dataclass
class Store:
    """A project of the engine that fills bit by bit; its state is counted along."""

    questions: Questions
    world: World = field(default_factory=World)
    batch_no: int = 0
    sequence: int = 0
    moved: int = 0
    profile_sequence: int = 0
    persons: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.engine = self.questions.engine
        self.projections = EngineProjections(self.engine)
        self.map = EnginePersonMap(self.engine, clock, crowd=2)
        asking = Asking(self.engine, self, self.map, clock)
        cases = use_cases(asking, None, None)
        self.rpc = AnalyticsServicer(cases, CellTokens(), PageTokens())

    async def snapshot(self, project_id: str) -> Snapshot:
        return await self.wait(project_id, None, 0)

    async def wait(self, project_id: str, freshness: Any, deadline: float) -> Snapshot:
        progress = Progress(self.batch_no, self.sequence, self.profile_sequence, self.moved)
        held = await self.map.refresh(project_id, progress, needed=self.sequence)
        assert held == self.sequence
        return Snapshot(self.batch_no, held, self.profile_sequence)

    async def events(self, rng: random.Random, count: int) -> None:
        self.batch_no += 1
        rows = [
            Event(
                rng.randint(1, IDENTS),
                rng.choice(NAMES),
                rng.randrange(FROM_MS, NOW_MS, HOUR_MS // 2),
                f"{self.batch_no}.{place}",
                {"channel": rng.choice(CHANNELS), "amount": rng.randint(0, 9) * 1.5},
                batch_no=self.batch_no,
            )
            for place in range(count)
        ]
        await self.questions.load([World(rows, project=self.world.project)])

    async def move(self, moves: list[tuple[int, int]]) -> None:
        """Identifiers to persons; a person is one of its own identifiers, as identity has it."""
        after = dict(self.persons)
        for ident, person in moves:
            anchor = after.get(person, person)
            after[ident] = anchor if after.get(anchor, anchor) == anchor else ident
        after |= {no: no for no, person in after.items() if after[person] != person}
        self.sequence += 1
        changes = [
            IdentityChange(
                self.sequence,
                self.world.project,
                ident,
                self.persons.get(ident, 0),
                person,
                person_id(person),
            )
            for ident, person in after.items()
            if self.persons.get(ident) != person
        ]
        if changes:
            await self.projections.add_identity(changes)
        if any(c.from_person_no or c.person_no != c.ident_no for c in changes):
            self.moved = self.sequence
        self.persons = after

    async def edit(self, rng: random.Random) -> None:
        """Traits of some persons, told late of long ago."""
        self.profile_sequence += 1
        city = rng.choice(["沪", "京", None])
        person = rng.randint(1, IDENTS)
        facts = [(person, "city", city), (rng.randint(1, IDENTS), "age", float(rng.randint(1, 80)))]
        await self.projections.add_profile(
            [
                ProfileChange(self.profile_sequence, self.world.project, who, trait, value, 0)
                for who, trait, value in facts
            ]
        )

    async def ask(self, state: StoreState | None) -> dict[str, Any]:
        """Every question's answer."""
        found = {}
        for model, (method, request) in _questions(self.rpc).items():
            request.project_id = self.world.project
            holder = getattr(request, "definition", request)
            scope = getattr(holder, "scope", request)
            scope.as_of_time_ms = NOW_MS
            if hasattr(scope, "from_time_ms"):
                scope.from_time_ms, scope.to_time_ms = FROM_MS, NOW_MS
            if state is not None:
                scope.state.CopyFrom(state)
            found[model] = await method(request, None)
        return found

    async def listed(self, cells: list[Any]) -> list[list[int]]:
        return [
            [member.person_no for member in (await self._members(cell.token)).members]
            for cell in cells
        ]

    async def _members(self, token: str) -> Any:
        request = pb.ListMembersRequest(project_id=self.world.project, cell_token=token)
        return await self.rpc.ListMembers(request, None)


def _questions(rpc: AnalyticsServicer) -> dict[str, tuple[Any, Any]]:
    def event(name: str) -> cpb.EventFilter:
        return cpb.EventFilter(event_name=name)

    often = cpb.Condition(
        event_count=cpb.EventCountCondition(
            event=event("view"),
            window=cpb.Window(rolling=cpb.RollingWindow(units=30, unit=cpb.WINDOW_UNIT_DAY)),
            operator=cpb.OPERATOR_GE,
            operands=[2],
        )
    )
    formula = formula_pb2.QueryFormulaRequest(formula="A / B")
    formula.terms.add(event=event("trade"))
    formula.terms.add(event=event("launch"), value=formula_pb2.FORMULA_VALUE_PERSONS)
    conversion = pb.QueryConversionRequest(bounds=[1, 3])
    turning = pb.FindTurningPointRequest()
    for asked in (conversion, turning):
        asked.definition.start.CopyFrom(event("launch"))
        asked.definition.goal.CopyFrom(event("trade"))
        asked.definition.behaviour.CopyFrom(event("view"))
    return every_question(rpc) | {
        "formula": (rpc.QueryFormula, formula),
        "conversion": (rpc.QueryConversion, conversion),
        "turning point": (rpc.FindTurningPoint, turning),
        "audience": (rpc.EvaluateAudience, pb.EvaluateAudienceRequest(condition=often)),
        "explanation": (
            rpc.ExplainAudience,
            pb.ExplainAudienceRequest(condition=often, person_no=1),
        ),
    }


def drawn(cases: int) -> list[tuple[int, list[Any]]]:
    """Seeds, each with what comes between the questions: moves, late events or not, edits or not.

    Drawn first: the questions are asked on the running loop.
    """
    examples: list[tuple[int, list[Any]]] = []
    rounds = st.lists(st.tuples(MOVES, st.booleans(), st.booleans()), min_size=1, max_size=3)

    @settings(max_examples=max(1, cases), deadline=None)
    @given(st.integers(0, 2**32), rounds)
    def collect(seed, came):
        examples.append((seed, came))

    collect()
    return examples[:cases]


def digests(answers: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        model: (answer.key.definition_digest, answer.key.result_digest)
        for model, answer in answers.items()
    }


def state_of(answer: Any) -> StoreState:
    key = answer.key
    return StoreState(
        batch_no=key.batch_no,
        identity_sequence=key.identity_sequence,
        profile_sequence=key.profile_sequence,
    )


@CASES
async def test_same_key_same_digest(questions, cases):
    changed: set[str] = set()

    async def once(seed: int, came: list[tuple[list[tuple[int, int]], bool, bool]]) -> None:
        rng = random.Random(seed)
        store = Store(questions)
        await store.move([(no, no) for no in range(1, IDENTS + 1)])
        await store.events(rng, 60)
        for _ in range(6):
            await store.edit(rng)
        kept = []
        for moves, late, edited in came:
            answers = await store.ask(None)
            cells = _cells(answers)
            kept.append((answers, cells, await store.listed(cells)))
            for answer in answers.values():
                assert state_of(answer) == state_of(answers["funnel"])
            await store.move(moves)
            if late:
                await store.events(rng, 12)
            if edited:
                await store.edit(rng)
            await store.map.tidy()
        now = digests(await store.ask(None))
        for answers, cells, members in kept:
            before = digests(answers)
            assert digests(await store.ask(state_of(answers["funnel"]))) == before
            assert await store.listed(cells) == members
            assert [len(found) for found in members] == [cell.persons for cell in cells]
            changed.update(model for model in now if now[model] != before[model])

    for seed, came in [
        *drawn(cases),
        (1, [([(2, 1), (3, 1)], True, True), ([(2, 2)], True, True)]),
    ]:
        await once(seed, came)
    # Without a key the answers do move: all but the last hour's, which had nothing late.
    assert changed >= set(_questions(questions.rpc)) - {"realtime"}


def _cells(answers: dict[str, Any]) -> list[Any]:
    """Some of the cells that can be opened."""
    steps = answers["funnel"].total.steps
    return [step.reached for step in steps] + [answers["events"].total.cell]


async def test_a_state_needs_its_time_of_view(questions):
    request = pb.QueryFunnelRequest(project_id="p")
    request.scope.state.batch_no = 1
    with pytest.raises(InvalidInput) as caught:
        await questions.rpc.QueryFunnel(request, None)
    assert caught.value.field == "as_of_time_ms"
