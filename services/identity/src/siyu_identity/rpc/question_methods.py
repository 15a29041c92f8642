"""The methods that show evidence, conflicts and the past."""

from typing import Any, Final

from siyu.identity.v1 import identity_service_pb2 as service_pb
from siyu.identity.v1 import steward_pb2 as pb
from siyu_identity.app.conflicts import Cursor
from siyu_identity.rpc import mapping
from siyu_identity.rpc.proposing import Proposing
from siyu_identity.rpc.steward_mapping import conflict_messages, link_message, node_message
from siyu_kit.rpc.paging import page_size, request_digest

_MAX_AS_OF: Final = 1_000


class QuestionMethods(Proposing):
    """Nothing is changed by asking."""

    async def ResolveAsOf(
        self, request: service_pb.ResolveAsOfRequest, context: Any
    ) -> service_pb.ResolveAsOfResponse:
        if not 1 <= len(request.identifiers) <= _MAX_AS_OF:
            raise mapping.invalid("identifiers", f"must hold 1 to {_MAX_AS_OF} identifiers")
        which = request.WhichOneof("as_of")
        if which is None or not 0 <= request.sequence < 2**63 or request.time_ms < 0:
            raise mapping.invalid("as_of", "must be a sequence or a time")
        standings, sequence = await self._use.as_of(
            request.project_id,
            [
                mapping.identifier_of(item, f"identifiers[{index}]")
                for index, item in enumerate(request.identifiers)
            ],
            sequence=request.sequence if which == "sequence" else None,
            time_ms=request.time_ms,
        )
        return service_pb.ResolveAsOfResponse(
            resolutions=[mapping.resolution(standing) for standing in standings],
            sequence=sequence,
        )

    async def GetGraph(self, request: pb.GetGraphRequest, context: Any) -> pb.GetGraphResponse:
        identifier = mapping.identifier_of(request.identifier, "identifier")
        picture = await self._use.explain.graph_of(request.project_id, identifier)
        return pb.GetGraphResponse(
            nodes=[node_message(node) for node in picture.nodes],
            links=[link_message(link) for link in picture.links],
            truncated=picture.truncated,
        )

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainResponse:
        explanation = await self._use.explain(
            request.project_id,
            mapping.identifier_of(request.left, "left"),
            mapping.identifier_of(request.right, "right"),
        )
        return pb.ExplainResponse(
            same_person=explanation.same_person,
            path=[node_message(node) for node in explanation.way],
            links=[link_message(link) for link in explanation.links],
        )

    async def ListConflicts(
        self, request: pb.ListConflictsRequest, context: Any
    ) -> pb.ListConflictsResponse:
        size, digest = page_size(request.page_size), request_digest(request)
        cursor = _cursor(self._use.tokens.decode(request.page_token, digest).decode())
        page = await self._use.conflicts(request.project_id, cursor, size)
        after = "" if page.next is None else self._use.tokens.encode(_text(page.next), digest)
        return pb.ListConflictsResponse(
            conflicts=conflict_messages(page.items), next_page_token=after
        )


def _text(cursor: Cursor) -> str:
    left, right = cursor.refused_after
    return f"{cursor.quarantined_after}:{int(cursor.in_links)}:{left}:{right}"


def _cursor(text: str) -> Cursor:
    if not text:
        return Cursor()
    quarantined, in_links, left, right = map(int, text.split(":"))
    return Cursor(quarantined, bool(in_links), (left, right))
