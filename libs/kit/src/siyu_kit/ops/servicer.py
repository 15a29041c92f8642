"""Serves siyu.ops.v1.OpsService."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1 import ops_service_pb2_grpc as pb_grpc
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_kit.auth.caller import current_caller
from siyu_kit.errors import InvalidInput, NotFound
from siyu_kit.log import get_logger
from siyu_kit.ops import messages
from siyu_kit.ops.audit_methods import AuditMethods
from siyu_kit.ops.checks import check_all
from siyu_kit.ops.desk import MAX_ID, DeadLetterDesk, Failure, ReaderOps
from siyu_kit.ops.key_methods import KeyMethods
from siyu_kit.rpc.paging import PageTokens, page_size, request_digest
from siyu_kit.rpc.server import Servicer
from siyu_kit.rpc.status import item_status
from siyu_kit.sql import feed
from siyu_kit.sql.data_keys import KeyKeeper
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.dead_letter_changes import Note
from siyu_kit.stream.dead_letters import DeadLetter, State

_log = get_logger(__name__)

MAX_LETTERS: Final = 1_000
MAX_REASON: Final = 500
MAX_FEED_BYTES: Final = 2_000_000


class OpsServicer(AuditMethods, KeyMethods, pb_grpc.OpsServiceServicer):
    """``relays`` by topic, of the feeds that the service owns."""

    def __init__(
        self,
        database: Database,
        desk: DeadLetterDesk,
        relays: Mapping[str, OutboxRelay],
        pages: PageTokens,
        keeper: KeyKeeper | None = None,
    ) -> None:
        AuditMethods.__init__(self, database, pages)
        KeyMethods.__init__(self, keeper)
        self._desk = desk
        self._relays = relays

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Any
    ) -> pb.ListDeadLettersResponse:
        digest, size = request_digest(request), page_size(request.page_size)
        after = int(self._pages.decode(request.page_token, digest) or 0)
        state = messages.state_from(request.state)
        letters = await self._desk.letters(
            request.project_id, request.reader, state, after, size + 1
        )
        more = len(letters) > size
        return pb.ListDeadLettersResponse(
            dead_letters=[messages.dead_letter(letter) for letter in letters[:size]],
            next_page_token=self._pages.encode(str(letters[size - 1].id), digest) if more else "",
        )

    async def GetDeadLetter(
        self, request: pb.GetDeadLetterRequest, context: Any
    ) -> pb.GetDeadLetterResponse:
        letter, changes = await self._desk.get(request.project_id, request.dead_letter_id)
        return messages.dead_letter_response(
            letter, changes, self._desk.readers.get((letter.reader, letter.topic))
        )

    async def FixDeadLetter(
        self, request: pb.FixDeadLetterRequest, context: Any
    ) -> pb.FixDeadLetterResponse:
        note = _note(request.reason)
        letter, _ = await self._desk.get(request.project_id, request.dead_letter_id)
        payload = request.payload
        if request.HasField("payload_json"):
            ops = self._desk.ops_of(letter.reader, letter.topic)
            payload = ops.from_json(request.payload_json)
        await self._desk.fix(letter, payload, note)
        letter, _ = await self._desk.get(request.project_id, request.dead_letter_id)
        return pb.FixDeadLetterResponse(dead_letter=messages.dead_letter(letter))

    async def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: Any
    ) -> pb.ReplayDeadLettersResponse:
        note = _note(request.reason)
        more = False
        ids: Sequence[int] = request.dead_letter_ids
        if ids:
            letters, failures = await self._letters(request.project_id, ids)
        else:
            opened, more = await self._open_letters(request)
            ids, failures = [letter.id for letter in opened], []
            letters = dict(enumerate(opened))
        failures += await self._desk.replay(letters, note)
        return pb.ReplayDeadLettersResponse(
            replayed=len(ids) - len(failures),
            failed=_results(failures, ids),
            next_after_dead_letter_id=ids[-1] if more else 0,
        )

    async def DiscardDeadLetters(
        self, request: pb.DiscardDeadLettersRequest, context: Any
    ) -> pb.DiscardDeadLettersResponse:
        note = _note(request.reason)
        if not request.dead_letter_ids:
            raise InvalidInput("FIELD_INVALID", "name what to give up", field="dead_letter_ids")
        ids = request.dead_letter_ids
        letters, failures = await self._letters(request.project_id, ids)
        failures += await self._desk.discard(letters, note)
        return pb.DiscardDeadLettersResponse(
            discarded=len(ids) - len(failures), failed=_results(failures, ids)
        )

    async def ListReaders(
        self, request: pb.ListReadersRequest, context: Any
    ) -> pb.ListReadersResponse:
        return pb.ListReadersResponse(
            readers=[
                pb.Reader(
                    reader=reader,
                    topic=topic,
                    stopped=ops.limit.stopped,
                    open_dead_letters=await self._desk.open_letters(reader, topic),
                )
                for (reader, topic), ops in sorted(self._desk.readers.items(), key=_by_name)
            ]
        )

    async def ResumeReader(
        self, request: pb.ResumeReaderRequest, context: Any
    ) -> pb.ResumeReaderResponse:
        check_all(request.project_id)
        self._desk.ops_of(request.reader, request.topic).limit.resume()
        _log.warning("reader_resumed", reader=request.reader, topic=request.topic)
        return pb.ResumeReaderResponse()

    async def ReadFeed(self, request: pb.ReadFeedRequest, context: Any) -> pb.ReadFeedResponse:
        check_all(request.project_id)
        self._relay(request.topic)
        of = Feed(request.topic, request.partition)
        async with self._database.session() as session:
            rows = await feed.rows_after(
                session, of, min(request.after_sequence, 2**63 - 1), page_size(request.page_size)
            )
        return pb.ReadFeedResponse(entries=messages.feed_entries(rows, MAX_FEED_BYTES))

    async def RebuildStream(
        self, request: pb.RebuildStreamRequest, context: Any
    ) -> pb.RebuildStreamResponse:
        check_all(request.project_id)
        first = max(1, min(request.from_sequence, 2**63 - 1))
        published = await self._relay(request.topic).rebuild(first)
        return pb.RebuildStreamResponse(published=published)

    async def _letters(
        self, project_id: str, ids: Sequence[int]
    ) -> tuple[dict[int, DeadLetter], list[Failure]]:
        """The letters of these numbers by position, and the positions where there is none."""
        if len(ids) > MAX_LETTERS:
            raise InvalidInput(
                "FIELD_INVALID", f"at most {MAX_LETTERS} at once", field="dead_letter_ids"
            )
        letters: dict[int, DeadLetter] = {}
        failures: list[Failure] = []
        for index, letter_id in enumerate(ids):
            try:
                letters[index], _ = await self._desk.get(project_id, letter_id)
            except NotFound as error:
                failures.append((index, error))
        return letters, failures

    async def _open_letters(
        self, request: pb.ReplayDeadLettersRequest
    ) -> tuple[list[DeadLetter], bool]:
        """The next open ones, and whether more wait behind them."""
        after = min(request.after_dead_letter_id, MAX_ID)
        letters = await self._desk.letters(
            request.project_id, request.reader, State.OPEN, after, MAX_LETTERS + 1
        )
        return letters[:MAX_LETTERS], len(letters) > MAX_LETTERS

    def _relay(self, topic: str) -> OutboxRelay:
        relay = self._relays.get(topic)
        if relay is None:
            raise NotFound("FEED_UNKNOWN", "the service does not own this feed", topic=topic)
        return relay


def ops_servicer(
    database: Database,
    *,
    readers: Mapping[tuple[str, str], ReaderOps] | None = None,
    relays: Mapping[str, OutboxRelay] | None = None,
    pages: PageTokens | None = None,
    keeper: KeyKeeper | None = None,
) -> Servicer:
    """The servicer of a service, for its ``App``."""
    desk = DeadLetterDesk(database, readers or {})
    servicer = OpsServicer(database, desk, relays or {}, pages or PageTokens(), keeper)
    return Servicer(pb_grpc.add_OpsServiceServicer_to_server, servicer)


def _note(reason: str) -> Note:
    if not 1 <= len(reason.strip()) <= MAX_REASON:
        raise InvalidInput(
            "FIELD_INVALID", f"a reason of 1 to {MAX_REASON} characters is required", field="reason"
        )
    return Note(current_caller().subject, reason.strip())


def _results(failures: Sequence[Failure], ids: Sequence[int]) -> list[ItemResult]:
    """In order; each names its letter, for who gave no numbers knows none by its position."""
    return [
        ItemResult(index=index, status=item_status(error, dead_letter_id=str(ids[index])))
        for index, error in sorted(failures, key=_by_index)
    ]


def _by_index(failure: Failure) -> int:
    return failure[0]


def _by_name(item: tuple[tuple[str, str], ReaderOps]) -> tuple[str, str]:
    return item[0]
