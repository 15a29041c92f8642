"""Builds the analytics service from its settings."""

from dataclasses import dataclass

from google.protobuf.message import Message

from siyu.analytics.v1.analytics_service_pb2_grpc import add_AnalyticsServiceServicer_to_server
from siyu.event.v1.event_pb2 import EventBatch
from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.event.v1.profile_change_pb2 import ProfileChangeBatch
from siyu_analytics.app.apply_identity_changes import ApplyIdentityChanges
from siyu_analytics.app.apply_profile_changes import ApplyProfileChanges
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.plan_batch import PlanBatch
from siyu_analytics.app.recent_work import RecentWork
from siyu_analytics.app.reconcile import Reconcile, ReconcileWorker
from siyu_analytics.app.recover_sink import RecoverSink
from siyu_analytics.app.result_cache import ResultCache
from siyu_analytics.app.sink_ports import Numbers
from siyu_analytics.app.watermark import LiveWatermarks
from siyu_analytics.config import AnalyticsConfig
from siyu_analytics.domain.cost import CostBounds
from siyu_analytics.engine.address import server_of
from siyu_analytics.engine.chdb import ChdbEngine
from siyu_analytics.engine.pooled import Limits, PooledEngine
from siyu_analytics.engine.protobuf import EVENT_SCHEMA
from siyu_analytics.engine.server import ServerEngine
from siyu_analytics.engine.states import engine_probe
from siyu_analytics.rpc.accounts import AccountMetrics
from siyu_analytics.rpc.number_peer import IdentityNumbers
from siyu_analytics.rpc.result_states import cache_probe
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.event_batches import EngineEventBatches
from siyu_analytics.store.ledger import SqlLedger
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.progress import SqlFeedMarks, SqlProgress
from siyu_analytics.store.projections import EngineProjections
from siyu_analytics.store.schema import statements
from siyu_analytics.store.secret import subject_key
from siyu_analytics.store.sink_plans import READER, SqlPlans
from siyu_analytics.stream.event_sink import EventSink
from siyu_analytics.stream.event_texts import ProtobufEventTexts
from siyu_analytics.stream.feeds import IdentityFeed, ProfileFeed
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.clock import Clock
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.ops.heal import FeedHeal
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.rpc.server import ServerLimits
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import migrations_of, upgrade
from siyu_kit.sql.states import database_probe
from siyu_kit.stream.apply import Handle
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.gaps import Heal
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.ledger import DoorLedger
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.replay import AppendAgain, HandleAgain
from siyu_kit.stream.topics import EVENTS, IDENTITY, PROFILE, Kind
from siyu_kit.telemetry import active

MIGRATIONS = migrations_of("analytics", __file__)
SINK_BYTES = 64_000_000
SINK_LETTERS = 1_000
"""Dead letters in ten minutes that do not stop the sink: its letters are single events."""


async def build(config: AnalyticsConfig, runtime: Runtime) -> App:
    """Open the engine, the database and the streams; peers are contacted when they are needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    guarded = open_stream(config, runtime.clock, events=True)
    await guarded.check_partitions()
    stream, guard = guarded.store, guarded.guard
    channel = runtime.connect(config.identity_target)
    profiles = runtime.connect(config.profile_target)
    # Two engines on one store: analysts may fill the one, the sink has the other to itself.
    reads = engine_of(config, read_limits(config), "query")
    writes = engine_of(config, Limits(threads=3, timeout_s=0), "sink")
    for statement in statements(config.duplicate_window_days):
        await writes.command(statement)

    persons = EnginePersonMap(reads, runtime.clock)
    watermarks = LiveWatermarks(SqlProgress(database), persons, runtime.clock)
    recent = RecentWork()
    results = ResultCache(config.cache_bytes)
    asking = Asking(reads, watermarks, persons, runtime.clock, recent, results)
    reconcile = Reconcile(SqlLedger(database), stream, config.partitions, runtime.clock)
    observe = AccountMetrics(runtime.telemetry.meter)
    servicer = AnalyticsServicer(
        use_cases(asking, watermarks, reconcile), CellTokens(config.key), PageTokens(config.key)
    )
    reading = await readers(
        stream,
        database,
        writes,
        IdentityNumbers(channel),
        runtime.clock,
        partitions=config.partitions,
        guard=guard,
        recent=recent,
        heals=Heals(FeedHeal(channel, IDENTITY.name), FeedHeal(profiles, PROFILE.name)),
    )

    async def aclose() -> None:
        await channel.close()
        await profiles.close()
        await stream.aclose()
        await reads.aclose()
        await writes.aclose()
        await database.aclose()

    return App(
        servicers=[
            Servicer(add_AnalyticsServiceServicer_to_server, servicer),
            ops_servicer(database, readers=reading.ops, pages=PageTokens(config.key)),
        ],
        trail=AuditTrail(database),
        workers={
            "stream_guard": guard.run,
            "person_map": persons.run,
            "reconcile": ReconcileWorker(reconcile, observe, runtime.clock).run,
            **{name: reader.run for name, reader in reading.readers.items()},
        },
        probes={
            "database": database_probe(database),
            "engines": engine_probe(reads, writes),
            "results": cache_probe(results),
            **{name: reader.states for name, reader in reading.readers.items()},
        },
        ready=guard.first_verified,
        aclose=aclose,
        limits=ServerLimits(default_deadline_s=config.query_timeout_s),
    )


@dataclass(frozen=True, slots=True)
class Heals:
    """Who closes gaps of the feeds."""

    identity: Heal | None = None
    profile: Heal | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The readers, and what a steward does about their dead letters."""

    readers: dict[str, PartitionReader]
    ops: dict[tuple[str, str], ReaderOps]


async def readers(
    stream: StreamStore,
    database: Database,
    engine: PooledEngine,
    numbers: Numbers,
    clock: Clock,
    *,
    partitions: int,
    guard: StreamGuard | None = None,
    heals: Heals = Heals(),
    recent: RecentWork | None = None,
) -> Reading:
    """What reads the streams: the sink, and the two feeds that questions need."""
    plans = SqlPlans(database)
    batches = EngineEventBatches(engine, EVENT_SCHEMA, await subject_key(database))
    recent = recent or RecentWork()
    limit = DeadLetterLimit(clock, DeadLetterCap(at_least=SINK_LETTERS))
    metrics = ReaderMetrics(active().meter, READER, EVENTS.name)
    carry_out = CarryOut(
        plans, batches, numbers, ProtobufEventTexts(), limit, recent, metrics.dead_letter
    )
    sink = EventSink(PlanBatch(plans, carry_out), RecoverSink(stream, plans, carry_out), clock)
    events = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        apply=sink,
        partitions=partitions,
        count=5_000,
        max_bytes=SINK_BYTES,
        guard=guard,
        clock=clock,
    )
    ledger = DoorLedger(stream, EVENTS.name, partitions, guard)
    again = AppendAgain(database, ledger, Kind.TRACK)
    reading = Reading(
        {"sink": events}, {(READER, EVENTS.name): ReaderOps(again, EventBatch, limit)}
    )
    projections = EngineProjections(engine)
    identity = IdentityFeed(ApplyIdentityChanges(projections, SqlFeedMarks(), recent))
    profile = ProfileFeed(ApplyProfileChanges(projections, recent))
    feeds: tuple[tuple[str, Handle, type[Message], Heal | None], ...] = (
        (IDENTITY.name, identity, IdentityChangeBatch, heals.identity),
        (PROFILE.name, profile, ProfileChangeBatch, heals.profile),
    )
    for topic, handle, message, heal in feeds:
        reader = PartitionReader(
            stream, database, topic, READER, handle, heal=heal, guard=guard, clock=clock
        )
        reading.readers[f"{topic}_feed"] = reader
        replay = HandleAgain(database, handle)
        reading.ops[READER, topic] = ReaderOps(replay, message, reader.limit)
    return reading


def engine_of(config: AnalyticsConfig, limits: Limits, name: str) -> PooledEngine:
    """ChDB in this process, or the server that is configured."""
    if config.engine_url:
        return ServerEngine(server_of(config.engine_url), limits, name=name)
    return ChdbEngine(config.data_dir / "engine", limits, name=name)


def read_limits(config: AnalyticsConfig) -> Limits:
    """The bounds of questions, as configured."""
    return Limits(
        threads=config.query_threads,
        guests=max(1, config.query_threads // 2),
        heavy=config.heavy_queries,
        cost=CostBounds(config.light_rows, config.most_rows),
        server_memory=config.engine_memory,
        query_memory=config.query_memory,
        timeout_s=config.query_timeout_s,
    )
