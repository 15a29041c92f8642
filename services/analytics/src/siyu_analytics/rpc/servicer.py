"""Serves siyu.analytics.v1.AnalyticsService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import formula_pb2, progress_pb2
from siyu.condition.v1 import explanation_pb2
from siyu_analytics.app.ask_model import AskModel
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.compare_groups import CompareGroups, GivenSets
from siyu_analytics.app.evaluate_audience import EvaluateAudience
from siyu_analytics.app.explain_audience import ExplainAudience
from siyu_analytics.app.explain_member import ExplainMember
from siyu_analytics.app.find_turning_point import FindTurningPoint
from siyu_analytics.app.list_members import ListMembers
from siyu_analytics.app.query_conversion import QueryConversion
from siyu_analytics.app.query_events import QueryEvents
from siyu_analytics.app.query_formula import QueryFormula
from siyu_analytics.app.query_funnel import QueryFunnel
from siyu_analytics.app.reconcile import Reconcile
from siyu_analytics.app.sets import to_bytes
from siyu_analytics.app.watch_query import WatchQuery
from siyu_analytics.app.watermark import LiveWatermarks
from siyu_analytics.domain.scope import Scope
from siyu_analytics.rpc import answers, opening
from siyu_analytics.rpc.accounts import reconciliation_response
from siyu_analytics.rpc.calls import call_of
from siyu_analytics.rpc.conditions import condition_from, event_from
from siyu_analytics.rpc.explained import bounds_of, explained_response
from siyu_analytics.rpc.formulas import formula_request_from, formula_response
from siyu_analytics.rpc.mapping import (
    ORDER_NUMBERS,
    audience_question,
    definition_from,
    events_request_from,
    fill_breakdown,
    fill_scope,
    funnel_request_from,
    restore_call,
    scope_from,
)
from siyu_analytics.rpc.models.asked import ModelServicer
from siyu_analytics.rpc.progress import progress_response
from siyu_analytics.rpc.tokens import CellTokens
from siyu_kit.rpc.paging import PageTokens, request_digest


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer calls."""

    events: QueryEvents
    funnel: QueryFunnel
    conversion: QueryConversion
    turning_point: FindTurningPoint
    members: ListMembers
    explain_member: ExplainMember
    audience: EvaluateAudience
    explain: ExplainAudience
    compare: CompareGroups
    watermark: LiveWatermarks
    reconcile: Reconcile
    model: AskModel
    formula: QueryFormula
    watch: WatchQuery


def use_cases(asking: Asking, watermark: LiveWatermarks, reconcile: Reconcile) -> UseCases:
    """All of them over the same ports."""
    given = GivenSets()
    members = ListMembers(asking, given)
    return UseCases(
        events=QueryEvents(asking),
        funnel=QueryFunnel(asking),
        conversion=QueryConversion(asking),
        turning_point=FindTurningPoint(asking),
        members=members,
        explain_member=ExplainMember(asking, members),
        audience=EvaluateAudience(asking),
        explain=ExplainAudience(asking),
        compare=CompareGroups(asking, given),
        watermark=watermark,
        reconcile=reconcile,
        model=AskModel(asking),
        formula=QueryFormula(asking),
        watch=WatchQuery(asking),
    )


class AnalyticsServicer(ModelServicer):
    """Maps messages, calls use cases, seals answers."""

    def __init__(self, cases: UseCases, cells: CellTokens, pages: PageTokens) -> None:
        super().__init__(cases.model, cells)
        self._cases = cases
        self._pages = pages

    async def QueryEvents(
        self, request: pb.QueryEventsRequest, context: Any
    ) -> pb.QueryEventsResponse:
        asked = events_request_from(request)
        answer = await self._cases.events(call_of(request, request.scope), asked)
        question = pb.QueryEventsRequest()
        question.CopyFrom(request)
        fill_scope(question.scope, answer.request.scope)
        fill_breakdown(question, answer.request.breakdown)
        response = answers.events_response(answer)
        numbers = answers.bytes_of(response)
        mint = self._cells.of(opening.EVENTS, question, answer.snapshot)
        answers.mint_events(response, answer, mint)
        response.scope.CopyFrom(question.scope)
        restore_call(response.scope, request.scope)
        answers.seal(response, answer.snapshot, question.scope.as_of_time_ms, question, numbers)
        return response

    async def QueryFormula(
        self, request: formula_pb2.QueryFormulaRequest, context: Any
    ) -> formula_pb2.QueryFormulaResponse:
        asked = formula_request_from(request)
        answer = await self._cases.formula(call_of(request, request.scope), asked)
        question = formula_pb2.QueryFormulaRequest()
        question.CopyFrom(request)
        fill_scope(question.scope, answer.request.scope)
        fill_breakdown(question, answer.request.breakdown)
        response = formula_response(answer)
        numbers = answers.bytes_of(response)
        response.effective.CopyFrom(question)
        restore_call(response.effective.scope, request.scope)
        answers.seal(response, answer.snapshot, question.scope.as_of_time_ms, question, numbers)
        return response

    async def QueryFunnel(
        self, request: pb.QueryFunnelRequest, context: Any
    ) -> pb.QueryFunnelResponse:
        asked = funnel_request_from(request)
        answer = await self._cases.funnel(call_of(request, request.scope), asked)
        question = pb.QueryFunnelRequest()
        question.CopyFrom(request)
        fill_scope(question.scope, answer.request.scope)
        question.window_ms = answer.request.window_ms
        if answer.request.order:
            question.order = ORDER_NUMBERS[answer.request.order]
        fill_breakdown(question, answer.request.breakdown)
        response = answers.funnel_response(answer)
        numbers = answers.bytes_of(response)
        mint = self._cells.of(opening.FUNNEL, question, answer.snapshot)
        answers.mint_funnel(response, answer, mint)
        response.effective.CopyFrom(question)
        restore_call(response.effective.scope, request.scope)
        answers.seal(response, answer.snapshot, question.scope.as_of_time_ms, question, numbers)
        return response

    async def QueryConversion(
        self, request: pb.QueryConversionRequest, context: Any
    ) -> pb.QueryConversionResponse:
        definition = definition_from(request.definition)
        call = call_of(request, request.definition.scope)
        answer = await self._cases.conversion(call, definition, list(request.bounds))
        question = pb.QueryConversionRequest()
        question.CopyFrom(request)
        fill_scope(question.definition.scope, answer.definition.scope)
        response = answers.conversion_response(answer)
        numbers = answers.bytes_of(response)
        mint = self._cells.of(opening.CONVERSION, question, answer.snapshot)
        answers.mint_conversion(response, mint)
        response.effective.CopyFrom(question)
        answers.seal(response, answer.snapshot, answer.definition.scope.as_of_ms, question, numbers)
        return response

    async def FindTurningPoint(
        self, request: pb.FindTurningPointRequest, context: Any
    ) -> pb.FindTurningPointResponse:
        definition = definition_from(request.definition)
        call = call_of(request, request.definition.scope)
        answer = await self._cases.turning_point(call, definition, request.max_k)
        question = pb.FindTurningPointRequest()
        question.CopyFrom(request)
        fill_scope(question.definition.scope, answer.definition.scope)
        question.max_k = answer.max_k
        response = answers.turning_point_response(answer)
        numbers = answers.bytes_of(response)
        response.effective.CopyFrom(question)
        answers.seal(response, answer.snapshot, answer.definition.scope.as_of_ms, question, numbers)
        return response

    async def ListMembers(
        self, request: pb.ListMembersRequest, context: Any
    ) -> pb.ListMembersResponse:
        token = self._cells.read(request.cell_token)
        cell = opening.opened(token, request.project_id)
        digest = request_digest(request)
        cursor = self._pages.decode(request.page_token, digest)
        after = int.from_bytes(cursor)
        call = call_of(request, pinned=token.pinned)
        page = await self._cases.members(call, cell, after, request.page_size)
        response = pb.ListMembersResponse(
            members=[pb.Member(person_no=no, person_id=name) for no, name in page.members],
            total=page.total,
        )
        numbers = answers.bytes_of(response)
        if page.more:
            last = page.members[-1][0].to_bytes(4)
            response.next_page_token = self._pages.encode(last, digest)
        answers.seal(response, page.snapshot, cell.scope.as_of_ms, token.question, numbers)
        return response

    async def ExplainMember(
        self, request: pb.ExplainMemberRequest, context: Any
    ) -> pb.ExplainMemberResponse:
        token = self._cells.read(request.cell_token)
        cell = opening.opened(token, request.project_id)
        call = call_of(request, pinned=token.pinned)
        answer = await self._cases.explain_member(call, cell, request.person_no, bounds_of(token))
        response = explained_response(answer, token.kind)
        numbers = answers.bytes_of(response)
        answers.seal(response, answer.snapshot, cell.scope.as_of_ms, token.question, numbers)
        return response

    async def EvaluateAudience(
        self, request: pb.EvaluateAudienceRequest, context: Any
    ) -> pb.EvaluateAudienceResponse:
        condition = condition_from(request.condition)
        scope = Scope(as_of_ms=request.as_of_time_ms, zone=request.zone)
        call = call_of(request, request)
        answer = await self._cases.audience(call, condition, scope)
        question = audience_question(request, answer.scope)
        response = pb.EvaluateAudienceResponse(
            bitmap=to_bytes(answer.members),
            persons=len(answer.members),
            population=answer.population,
        )
        numbers = answers.bytes_of(response)
        answers.seal(response, answer.snapshot, answer.scope.as_of_ms, question, numbers)
        return response

    async def ExplainAudience(
        self, request: pb.ExplainAudienceRequest, context: Any
    ) -> pb.ExplainAudienceResponse:
        condition = condition_from(request.condition)
        scope = Scope(as_of_ms=request.as_of_time_ms, zone=request.zone)
        call = call_of(request, request)
        answer = await self._cases.explain(call, condition, request.person_no, scope)
        question = audience_question(request, answer.scope)
        response = pb.ExplainAudienceResponse(
            member=answer.member,
            nodes=[
                explanation_pb2.NodeExplanation(
                    node=item.node,
                    parent=item.parent,
                    text=item.text,
                    holds=item.holds,
                    found=item.found,
                    event_times_ms=item.times_ms,
                )
                for item in answer.outcomes
            ],
        )
        numbers = answers.bytes_of(response)
        answers.seal(response, answer.snapshot, answer.scope.as_of_ms, question, numbers)
        return response

    async def CompareGroups(
        self, request: pb.CompareGroupsRequest, context: Any
    ) -> pb.CompareGroupsResponse:
        scope = scope_from(request.scope, "scope")
        goal = event_from(request.goal, "goal")
        call = call_of(request, request.scope)
        groups = (request.treated_bitmap, request.control_bitmap)
        answer = await self._cases.compare(call, *groups, scope, goal)
        question = pb.CompareGroupsRequest(
            project_id=request.project_id, scope=request.scope, goal=request.goal
        )
        fill_scope(question.scope, answer.scope)
        response = answers.comparison_response(answer)
        numbers = answers.bytes_of(response)
        mint = self._cells.of(opening.COMPARISON, question, answer.snapshot)
        answers.mint_comparison(response, answer, mint)
        question.treated_bitmap, question.control_bitmap = groups
        answers.seal(response, answer.snapshot, answer.scope.as_of_ms, question, numbers)
        return response

    async def WatchQuery(
        self, request: progress_pb2.WatchQueryRequest, context: Any
    ) -> AsyncIterator[progress_pb2.WatchQueryResponse]:
        async with aclosing(self._cases.watch(request.project_id, request.request_id)) as told:
            async for progress in told:
                yield progress_response(progress)

    async def GetWatermark(
        self, request: pb.GetWatermarkRequest, context: Any
    ) -> pb.GetWatermarkResponse:
        state = await self._cases.watermark.read(request.project_id)
        return pb.GetWatermarkResponse(
            batch_no=state.snapshot.batch_no,
            identity_sequence=state.snapshot.identity_sequence,
            profile_sequence=state.snapshot.profile_sequence,
            events=state.events,
            duplicates=state.duplicates,
            persons=state.persons,
        )

    async def GetReconciliation(
        self, request: pb.GetReconciliationRequest, context: Any
    ) -> pb.GetReconciliationResponse:
        return reconciliation_response(await self._cases.reconcile.account(request.project_id))
