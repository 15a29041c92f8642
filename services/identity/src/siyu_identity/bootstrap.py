"""Builds the identity service from its settings."""

from siyu.event.v1.event_pb2 import EventBatch
from siyu.identity.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from siyu_identity.app.as_of import ResolveAsOf
from siyu_identity.app.conflicts import ListConflicts
from siyu_identity.app.decide import DecideProposal
from siyu_identity.app.explain import ExplainIdentity
from siyu_identity.app.get_person import GetPerson
from siyu_identity.app.link import LinkEvidence
from siyu_identity.app.policies import Runs
from siyu_identity.app.propose import ProposeOperation
from siyu_identity.app.resolve import ResolveIdentifiers
from siyu_identity.app.review import DecideReview, SubmitReviews
from siyu_identity.app.work_runs import WorkRuns
from siyu_identity.config import IdentityConfig
from siyu_identity.rpc.proposing import UseCases
from siyu_identity.rpc.servicer import IdentityServicer
from siyu_identity.store.change_feed import SqlChangeFeed
from siyu_identity.store.conflicts import SqlConflicts
from siyu_identity.store.desks import SqlDesks
from siyu_identity.store.directory import SqlDirectory
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.history import Historian, SqlHistory
from siyu_identity.store.keys import KeyRing
from siyu_identity.store.numbers import NumberCache
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.pulse import Pulse
from siyu_identity.store.resealing import reseal_identifiers
from siyu_identity.store.run_turns import RunTurns
from siyu_identity.store.saving import Saving
from siyu_identity.store.survey import SqlSurvey
from siyu_identity.stream.events_handler import READER, EventsHandler
from siyu_identity.stream.known import KnownEvidence
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.clock import Clock
from siyu_kit.cluster.opening import open_election
from siyu_kit.config import ConfigError
from siyu_kit.errors import DependencyDown
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.data_keys import KeyKeeper
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.migrate import migrations_of, upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.states import database_probe
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.part_letters import PartLetters
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.replay import HandleAgain
from siyu_kit.stream.topics import EVENTS, IDENTITY, Kind
from siyu_kit.telemetry import active

MIGRATIONS = migrations_of("identity", __file__)


async def build(config: IdentityConfig, runtime: Runtime) -> App:
    """Migrate the database if asked to, and connect it and the streams."""
    try:
        keys = KeyRing(config.key)
        masters = keys.masters(config.field_master_keys)
    except ValueError as error:
        raise ConfigError([f"SIYU_IDENTITY_KEY or SIYU_FIELD_MASTER_KEYS: {error}"]) from error
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    keeper = KeyKeeper(database, masters, [reseal_identifiers(keys)], runtime.clock)
    await keeper.load()
    keys.use(keeper.keys)
    stream = open_stream(config, runtime.clock, events=True)
    await stream.check_partitions()
    return assemble(
        database,
        stream.store,
        keys,
        runtime.clock,
        partitions=config.partitions,
        guard=stream.guard,
        keeper=keeper,
        singletons=open_election(config, database),
    )


def assemble(
    database: Database,
    stream: StreamStore,
    keys: KeyRing,
    clock: Clock,
    *,
    partitions: int,
    guard: StreamGuard | None = None,
    keeper: KeyKeeper | None = None,
    singletons: Election | None = None,
) -> App:
    """The service over these stores; it closes them."""
    outbox, pulse = Outbox(), Pulse()
    one = singletons or Leases(database)
    relay = OutboxRelay(
        database,
        StreamPublisher(stream),
        topic=IDENTITY.name,
        outbox=outbox,
        leases=one,
        clock=clock,
    )
    policies = PolicyBook()
    graphs = SqlGraphs(database, keys, Saving(outbox, pulse, clock), policies)
    desks = SqlDesks(graphs, policies, clock)
    survey = SqlSurvey(database, keys, policies)
    known, limit = KnownEvidence(), DeadLetterLimit(clock, DeadLetterCap())
    on_dead_letter = ReaderMetrics(active().meter, READER, EVENTS.name).dead_letter
    letters = PartLetters(READER, EVENTS.name, on_dead_letter, limit)
    handler = EventsHandler(graphs, known, letters)
    again = EventsHandler(graphs, known, PartLetters(READER, EVENTS.name, on_dead_letter))
    directory = SqlDirectory(database, keys, NumberCache())
    feed = SqlChangeFeed(database, relay, pulse)
    reader = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        handler,
        partitions=partitions,
        kinds=Kind.LINK,
        guard=guard,
        limit=limit,
        clock=clock,
    )
    servicer = IdentityServicer(
        UseCases(
            resolve=ResolveIdentifiers(directory, graphs, clock),
            as_of=ResolveAsOf(directory, SqlHistory(database), clock),
            link=LinkEvidence(graphs, feed, clock, SubmitReviews(desks, clock)),
            propose=ProposeOperation(desks, clock),
            decide=DecideProposal(desks, feed, clock),
            decide_review=DecideReview(desks, feed, clock),
            get_person=GetPerson(directory),
            explain=ExplainIdentity(graphs),
            conflicts=ListConflicts(SqlConflicts(graphs)),
            policies=survey,
            runs=Runs(desks, clock),
            desks=desks,
            tokens=PageTokens(keys.page_key()),
            feed=feed,
            clock=clock,
        )
    )

    replay = ReaderOps(HandleAgain(database, again), EventBatch, limit)
    ops = ops_servicer(
        database,
        readers={(READER, EVENTS.name): replay},
        relays={IDENTITY.name: relay},
        pages=PageTokens(keys.page_key()),
        keeper=keeper,
    )

    async def ready() -> bool:
        try:
            await database.ping()
        except DependencyDown:
            return False
        return guard is None or await guard.first_verified()

    async def aclose() -> None:
        await one.aclose()
        await stream.aclose()
        await database.aclose()

    workers = {
        "relay": relay.run,
        "reader": reader.run,
        "historian": Historian(database, clock, one).run,
        "runs": RunTurns(database, WorkRuns(desks, survey, clock), clock, one).run,
    }
    if guard is not None:
        workers["stream_guard"] = guard.run
    if keeper is not None:
        workers["data_keys"] = keeper.run
    return App(
        servicers=[Servicer(add_IdentityServiceServicer_to_server, servicer), ops],
        trail=AuditTrail(database),
        workers=workers,
        probes={"database": database_probe(database), "reader": reader.states},
        ready=ready,
        drain=feed.close,
        aclose=aclose,
    )
