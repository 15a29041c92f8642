"""Builds the segment service from its settings."""

from pathlib import Path

from siyu.segment.v1.segment_service_pb2_grpc import add_SegmentServiceServicer_to_server
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.rpc.server import ServerLimits
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import SEGMENT
from siyu_segment.config import SegmentConfig
from siyu_segment.rpc.audience_peer import AnalyticsAudienceSource
from siyu_segment.rpc.servicer import SegmentServicer
from siyu_segment.store.segment_store import SqlSegmentStore

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def build(config: SegmentConfig, runtime: Runtime) -> App:
    """Connect the database, the streams and the peer; nothing is contacted before it is needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    stream = RedisStreamStore(config.stream_url.reveal())
    channel = runtime.connect(config.analytics_target)
    outbox = Outbox()
    relay = OutboxRelay(database, StreamPublisher(stream), topic=SEGMENT.name, outbox=outbox)
    servicer = SegmentServicer(
        SqlSegmentStore(database, outbox),
        AnalyticsAudienceSource(channel, config.evaluate_timeout_s),
        runtime.clock,
        PageTokens(config.key),
    )

    async def ready() -> bool:
        return True

    async def aclose() -> None:
        await channel.close()
        await stream.aclose()
        await database.aclose()

    return App(
        servicers=[Servicer(add_SegmentServiceServicer_to_server, servicer)],
        workers={"relay": relay.run},
        ready=ready,
        aclose=aclose,
        limits=ServerLimits(default_deadline_s=config.evaluate_timeout_s),
    )
