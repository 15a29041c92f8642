"""Builds the profile service from its settings."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from siyu.profile.v1.profile_service_pb2_grpc import add_ProfileServiceServicer_to_server
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.stream.topics import EVENTS, IDENTITY, PROFILE, Kind
from siyu_profile.app.ports import ProfileUnit
from siyu_profile.config import ProfileConfig
from siyu_profile.rpc.identity_peer import IdentityPersons
from siyu_profile.rpc.servicer import ProfileServicer
from siyu_profile.store.feed import RelayedFeed
from siyu_profile.store.profile_store import SqlProfileStore
from siyu_profile.store.seal import AddressSeal
from siyu_profile.store.unit import SqlProfileUnit
from siyu_profile.stream.identity_feed import IdentityFeed
from siyu_profile.stream.profile_events import ProfileEvents

MIGRATIONS = Path(__file__).parents[2] / "migrations"
READER = "profile"


async def build(config: ProfileConfig, runtime: Runtime) -> App:
    """Connect the database, the streams and the peer; nothing is contacted before it is needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    stream = RedisStreamStore(config.stream_url.reveal())
    channel = runtime.connect(config.identity_target)
    outbox = Outbox()
    relay = OutboxRelay(database, StreamPublisher(stream), topic=PROFILE.name, outbox=outbox)
    persons = IdentityPersons(channel)

    def unit_on(session: AsyncSession) -> ProfileUnit:
        return SqlProfileUnit(session, outbox, runtime.clock)

    servicer = ProfileServicer(
        SqlProfileStore(database, outbox, runtime.clock),
        persons,
        RelayedFeed(relay),
        AddressSeal(config.key.reveal().encode()),
        runtime.clock,
    )
    events = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        ProfileEvents(persons, unit_on),
        partitions=config.partitions,
        kinds=Kind.PROFILE,
    )
    identity = PartitionReader(stream, database, IDENTITY.name, READER, IdentityFeed(unit_on))

    async def aclose() -> None:
        await channel.close()
        await stream.aclose()
        await database.aclose()

    return App(
        servicers=[Servicer(add_ProfileServiceServicer_to_server, servicer)],
        workers={"relay": relay.run, "events": events.run, "identity": identity.run},
        aclose=aclose,
    )
