"""Builds the identity service from its settings."""

from pathlib import Path

from siyu.identity.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from siyu_identity.app.get_person import GetPerson
from siyu_identity.app.link import LinkEvidence
from siyu_identity.app.resolve import ResolveIdentifiers
from siyu_identity.app.unlink import UnlinkIdentifiers
from siyu_identity.config import IdentityConfig
from siyu_identity.rpc.servicer import IdentityServicer, UseCases
from siyu_identity.store.change_feed import SqlChangeFeed
from siyu_identity.store.directory import SqlDirectory
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.keys import KeyRing
from siyu_identity.store.numbers import NumberCache
from siyu_identity.store.pulse import Pulse
from siyu_identity.store.saving import Saving
from siyu_identity.stream.events_handler import READER, EventsHandler
from siyu_kit.clock import Clock
from siyu_kit.config import ConfigError
from siyu_kit.errors import DependencyDown
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS, IDENTITY, Kind

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def build(config: IdentityConfig, runtime: Runtime) -> App:
    """Migrate the database if asked to, and connect it and the streams."""
    try:
        keys = KeyRing(config.key)
    except ValueError as error:
        raise ConfigError([f"SIYU_IDENTITY_KEY: {error}"]) from error
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    stream = RedisStreamStore(config.stream_url.reveal())
    return assemble(Database(url), stream, keys, runtime.clock, partitions=config.partitions)


def assemble(
    database: Database,
    stream: StreamStore,
    keys: KeyRing,
    clock: Clock,
    *,
    partitions: int,
) -> App:
    """The service over these stores; it closes them."""
    outbox, pulse = Outbox(), Pulse()
    relay = OutboxRelay(
        database, StreamPublisher(stream), topic=IDENTITY.name, outbox=outbox, clock=clock
    )
    graphs = SqlGraphs(database, keys, Saving(outbox, pulse, clock))
    directory = SqlDirectory(database, keys, NumberCache())
    feed = SqlChangeFeed(database, relay, pulse)
    reader = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        EventsHandler(graphs),
        partitions=partitions,
        kinds=Kind.LINK,
        clock=clock,
    )
    servicer = IdentityServicer(
        UseCases(
            resolve=ResolveIdentifiers(directory, graphs, clock),
            link=LinkEvidence(graphs, feed, clock),
            unlink=UnlinkIdentifiers(graphs, feed, clock),
            get_person=GetPerson(directory),
            feed=feed,
            clock=clock,
        )
    )

    async def ready() -> bool:
        try:
            await database.ping()
        except DependencyDown:
            return False
        return True

    async def aclose() -> None:
        await stream.aclose()
        await database.aclose()

    return App(
        servicers=[Servicer(add_IdentityServiceServicer_to_server, servicer)],
        workers={"relay": relay.run, "reader": reader.run},
        ready=ready,
        drain=feed.close,
        aclose=aclose,
    )
