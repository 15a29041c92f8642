"""Builds the analytics service from its settings."""

from pathlib import Path

from siyu.analytics.v1.analytics_service_pb2_grpc import add_AnalyticsServiceServicer_to_server
from siyu_analytics.app.apply_identity_changes import ApplyIdentityChanges
from siyu_analytics.app.apply_profile_changes import ApplyProfileChanges
from siyu_analytics.app.asking import Asking
from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.plan_batch import PlanBatch
from siyu_analytics.app.recover_sink import RecoverSink
from siyu_analytics.app.sink_ports import Numbers
from siyu_analytics.app.watermark import LiveWatermarks
from siyu_analytics.config import AnalyticsConfig
from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.engine.protobuf import EVENT_SCHEMA
from siyu_analytics.rpc.number_peer import IdentityNumbers
from siyu_analytics.rpc.servicer import AnalyticsServicer, use_cases
from siyu_analytics.rpc.tokens import CellTokens
from siyu_analytics.store.event_batches import EngineEventBatches
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.progress import SqlFeedMarks, SqlProgress
from siyu_analytics.store.projections import EngineProjections
from siyu_analytics.store.schema import statements
from siyu_analytics.store.secret import subject_key
from siyu_analytics.store.sink_plans import READER, SqlPlans
from siyu_analytics.stream.event_sink import EventSink
from siyu_analytics.stream.event_texts import ProtobufEventTexts
from siyu_analytics.stream.feeds import IdentityFeed, ProfileFeed
from siyu_kit.clock import Clock
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.rpc.server import ServerLimits
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS, IDENTITY, PROFILE
from siyu_kit.workers import Worker

MIGRATIONS = Path(__file__).parents[2] / "migrations"
SINK_BYTES = 64_000_000


async def build(config: AnalyticsConfig, runtime: Runtime) -> App:
    """Open the engine, the database and the streams; peers are contacted when they are needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    stream = RedisStreamStore(config.stream_url.reveal())
    channel = runtime.connect(config.identity_target)
    path = config.data_dir / "engine"
    # Two engines on one path: analysts may fill the one, the sink has the other to itself.
    reads = ChdbEngine(path, read_limits(config), name="query")
    writes = ChdbEngine(path, Limits(threads=3, timeout_s=0), name="sink")
    for statement in statements(config.duplicate_window_days):
        await writes.command(statement)

    persons = EnginePersonMap(reads, runtime.clock)
    watermarks = LiveWatermarks(SqlProgress(database), persons, runtime.clock)
    asking = Asking(reads, watermarks, persons, runtime.clock)
    servicer = AnalyticsServicer(
        use_cases(asking, watermarks), CellTokens(config.key), PageTokens(config.key)
    )
    workers = await readers(
        stream,
        database,
        writes,
        IdentityNumbers(channel),
        runtime.clock,
        partitions=config.partitions,
    )

    async def ready() -> bool:
        return True

    async def aclose() -> None:
        await channel.close()
        await stream.aclose()
        await reads.aclose()
        await writes.aclose()
        await database.aclose()

    return App(
        servicers=[Servicer(add_AnalyticsServiceServicer_to_server, servicer)],
        workers=workers,
        ready=ready,
        aclose=aclose,
        limits=ServerLimits(default_deadline_s=config.query_timeout_s),
    )


async def readers(
    stream: StreamStore,
    database: Database,
    engine: ChdbEngine,
    numbers: Numbers,
    clock: Clock,
    *,
    partitions: int,
) -> dict[str, Worker]:
    """What reads the streams: the sink, and the two feeds that questions need."""
    plans = SqlPlans(database)
    batches = EngineEventBatches(engine, EVENT_SCHEMA, await subject_key(database))
    carry_out = CarryOut(plans, batches, numbers, ProtobufEventTexts())
    sink = EventSink(PlanBatch(plans, carry_out), RecoverSink(stream, plans, carry_out), clock)
    projections = EngineProjections(engine)
    identity = IdentityFeed(ApplyIdentityChanges(projections, SqlFeedMarks()))
    profile = ProfileFeed(ApplyProfileChanges(projections))
    events = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        apply=sink,
        partitions=partitions,
        count=5_000,
        max_bytes=SINK_BYTES,
        clock=clock,
    )
    return {
        "sink": events.run,
        "identity_feed": PartitionReader(
            stream, database, IDENTITY.name, READER, identity, clock=clock
        ).run,
        "profile_feed": PartitionReader(
            stream, database, PROFILE.name, READER, profile, clock=clock
        ).run,
    }


def read_limits(config: AnalyticsConfig) -> Limits:
    """The bounds of questions, as configured."""
    return Limits(
        threads=config.query_threads,
        server_memory=config.engine_memory,
        query_memory=config.query_memory,
        timeout_s=config.query_timeout_s,
    )
