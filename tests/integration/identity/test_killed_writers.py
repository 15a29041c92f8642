"""Eight writers, unlinks among them, and the service killed in the middle: nothing is lost."""

import asyncio
import random
import signal

import pytest
from sqlalchemy import func, select

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu_identity.domain.evidence import unlink
from siyu_identity.store.tables import ConflictRow, IdentRow
from siyu_kit.errors import Conflict, DependencyDown, NotFound, QuotaExceeded
from siyu_kit.rpc import call
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import table_of
from support.identity_cases import random_statements
from support.identity_model import reference
from support.identity_process import IdentityProcess
from support.identity_service import KEYS, PROJECT
from support.identity_writers import send_links, until_taken

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
WRITERS = 8
LINKS = 480
AT_ONCE = 10
LATER = 2**50
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_in_the_middle_it_comes_to_the_reference(
    seed, postgres_url, redis_url, tmp_path
):
    rng = random.Random(seed)
    links = [item for item in random_statements(seed, LINKS, 40) if item[2].live]
    cuts = rng.sample(sorted({item[:2] for item in links}), 12)
    service = IdentityProcess(postgres_url, redis_url, tmp_path)
    channels = [service.channel(f"user:{n}") for n in range(WRITERS)]
    try:
        shares = [links[n::WRITERS] for n in range(WRITERS)]
        batches = Batches()
        writers = [
            send_links(
                service.stub(channel),
                PROJECT,
                share,
                seed * 100 + n,
                at_once=AT_ONCE,
                taken=batches.one_more,
            )
            for n, (channel, share) in enumerate(zip(channels, shares, strict=True))
        ]
        stewards = _cut(service.stub(channels[0]), service.stub(channels[1]), cuts)
        kills = _kill(service, batches, [rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.8)])
        *again, _, _ = await asyncio.gather(*writers, stewards, kills)
        assert sum(again) > 0, "nobody noticed the kill"
        changes = await _all_changes(service.stub(channels[0]))
    finally:
        for channel in channels:
            await channel.close()
        service.stop()
    said = [*links, *((left, right, unlink(LATER)) for left, right in cuts)]
    await _check(postgres_url, said, changes)


class Batches:
    """How many batches were taken, of all writers together."""

    def __init__(self):
        self.count = 0

    def one_more(self):
        self.count += 1


async def _kill(service, batches, shares):
    """When a share of the batches is taken: kill -9, and start again."""
    for share in shares:
        while batches.count < share * LINKS / AT_ONCE:
            await asyncio.sleep(0.001)
        service.stop(signal.SIGKILL)
        await asyncio.to_thread(service.start)


async def _cut(ann, ben, pairs):
    """Each unlink is proposed and approved until it is carried out."""
    for number, (left, right) in enumerate(pairs):
        request = steward.UnlinkRequest(
            project_id=PROJECT,
            request_id=f"cut {number}",
            reason="a test asks for it",
            left=IdentifierMessage(type=left.type, value=left.value),
            right=IdentifierMessage(type=right.type, value=right.value),
        )
        while True:
            try:
                proposal = (await _answered(ann.Unlink, request)).proposal
                break
            except NotFound:
                await asyncio.sleep(0.05)
        approval = steward.ApproveProposalRequest(
            project_id=PROJECT, proposal_id=proposal.proposal_id
        )
        await until_taken(ben.ApproveProposal, approval)


async def _answered(method, request):
    while True:
        try:
            return await call(method, request, timeout_s=5)
        except (DependencyDown, Conflict, QuotaExceeded):
            await asyncio.sleep(0.1)


async def _all_changes(stub):
    """The whole feed, sequence by sequence without a gap."""
    found, after = [], 0
    while True:
        request = pb.ListChangesRequest(project_id=PROJECT, after_sequence=after, page_size=1_000)
        page = await _answered(stub.ListChanges, request)
        found.extend(page.changes)
        after = page.next_sequence
        if not page.more and not await _unnumbered(stub, after):
            return found


async def _unnumbered(stub, after):
    await asyncio.sleep(1.0)
    page = await _answered(
        stub.ListChanges, pb.ListChangesRequest(project_id=PROJECT, after_sequence=after)
    )
    return bool(page.changes)


async def _check(url, said, changes):
    keys = KEYS.of(PROJECT)
    expected = reference(said, key=keys.person_key)
    ident, conflict = table_of(IdentRow), table_of(ConflictRow)
    database = Database(url)
    async with database.session() as session:
        rows = (await session.execute(select(ident))).all()
        refused = await session.scalar(select(func.count()).select_from(conflict))
    await database.aclose()
    names = {row.ident_no: keys.open(row.ident_no, row.type, row.value) for row in rows}
    assert {names[row.ident_no]: names[row.person_no] for row in rows} == expected.anchors
    assert {names[row.ident_no] for row in rows if row.quarantined} == expected.quarantined
    assert refused == len(expected.conflicts)
    assert [item.sequence for item in changes] == list(range(1, len(changes) + 1))
    folded = {}
    for item in changes:
        for change in item.batch.changes:
            assert folded.get(change.ident_no, 0) == change.from_person_no
            folded[change.ident_no] = change.person_no
    assert folded == {row.ident_no: row.person_no for row in rows}
