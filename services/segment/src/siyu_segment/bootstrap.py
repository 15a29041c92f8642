"""Builds the segment service from its settings."""

from siyu.segment.v1.segment_service_pb2_grpc import add_SegmentServiceServicer_to_server
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.cluster.opening import open_election
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.rpc.server import ServerLimits
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import migrations_of, upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.states import database_probe
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.topics import SEGMENT
from siyu_segment.config import SegmentConfig
from siyu_segment.rpc.audience_peer import AnalyticsAudienceSource
from siyu_segment.rpc.servicer import SegmentServicer
from siyu_segment.store.segment_store import SqlSegmentStore

MIGRATIONS = migrations_of("segment", __file__)


async def build(config: SegmentConfig, runtime: Runtime) -> App:
    """Connect the database, the streams and the peer; nothing is contacted before it is needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    guarded = open_stream(config, runtime.clock)
    stream, guard = guarded.store, guarded.guard
    channel = runtime.connect(config.analytics_target)
    outbox = Outbox()
    singletons = open_election(config, database)
    relay = OutboxRelay(
        database, StreamPublisher(stream), topic=SEGMENT.name, outbox=outbox, leases=singletons
    )
    servicer = SegmentServicer(
        SqlSegmentStore(database, outbox),
        AnalyticsAudienceSource(channel, config.evaluate_timeout_s),
        runtime.clock,
        PageTokens(config.key),
    )

    async def aclose() -> None:
        await channel.close()
        await stream.aclose()
        await singletons.aclose()
        await database.aclose()

    return App(
        servicers=[
            Servicer(add_SegmentServiceServicer_to_server, servicer),
            ops_servicer(database, relays={SEGMENT.name: relay}, pages=PageTokens(config.key)),
        ],
        trail=AuditTrail(database),
        workers={"stream_guard": guard.run, "relay": relay.run},
        probes={"database": database_probe(database)},
        ready=guard.first_verified,
        aclose=aclose,
        limits=ServerLimits(default_deadline_s=config.evaluate_timeout_s),
    )
