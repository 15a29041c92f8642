"""Builds the profile service from its settings."""

from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1.event_pb2 import EventBatch
from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.profile.v1.profile_service_pb2_grpc import add_ProfileServiceServicer_to_server
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.clock import Clock
from siyu_kit.cluster.opening import open_election
from siyu_kit.config import ConfigError
from siyu_kit.crypto import hmac_sm3
from siyu_kit.crypto.envelope import MasterKeys
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.ops.heal import FeedHeal
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.data_keys import KeyKeeper
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import migrations_of, upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.states import database_probe
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.part_letters import PartLetters
from siyu_kit.stream.reader import PartitionReader
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.replay import HandleAgain
from siyu_kit.stream.topics import EVENTS, IDENTITY, PROFILE, Kind
from siyu_kit.telemetry import active
from siyu_profile.app.ports import ProfileUnit
from siyu_profile.config import ProfileConfig
from siyu_profile.rpc.identity_peer import IdentityPersons
from siyu_profile.rpc.servicer import ProfileServicer
from siyu_profile.store.feed import RelayedFeed
from siyu_profile.store.profile_store import SqlProfileStore
from siyu_profile.store.resealing import reseal_contact_points, reseal_documents
from siyu_profile.store.seal import AddressSeal
from siyu_profile.store.unit import SqlProfileUnit
from siyu_profile.stream.identity_feed import IdentityFeed
from siyu_profile.stream.profile_events import ProfileEvents

MIGRATIONS = migrations_of("profile", __file__)
READER = "profile"


async def build(config: ProfileConfig, runtime: Runtime) -> App:
    """Connect the database, the streams and the peer; nothing is contacted before it is needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database = Database(url)
    secret = config.key.reveal().encode()
    keeper = await _keeper(config, database, secret, runtime.clock)
    seal = AddressSeal(secret, keeper.keys)
    keeper.add(reseal_contact_points(seal), reseal_documents(seal))
    guarded = open_stream(config, runtime.clock, events=True)
    await guarded.check_partitions()
    stream, guard = guarded.store, guarded.guard
    channel = runtime.connect(config.identity_target)
    outbox = Outbox()
    singletons = open_election(config, database)
    relay = OutboxRelay(
        database, StreamPublisher(stream), topic=PROFILE.name, outbox=outbox, leases=singletons
    )
    persons = IdentityPersons(channel)

    def unit_on(session: AsyncSession) -> ProfileUnit:
        return SqlProfileUnit(session, outbox, runtime.clock)

    servicer = ProfileServicer(
        SqlProfileStore(database, outbox, runtime.clock),
        persons,
        RelayedFeed(relay),
        seal,
        runtime.clock,
    )
    limit = DeadLetterLimit(runtime.clock, DeadLetterCap())
    on_dead_letter = ReaderMetrics(active().meter, READER, EVENTS.name).dead_letter
    letters = PartLetters(READER, EVENTS.name, on_dead_letter, limit)
    operations, moves = ProfileEvents(persons, unit_on, letters), IdentityFeed(unit_on)
    again = ProfileEvents(persons, unit_on, PartLetters(READER, EVENTS.name, on_dead_letter))
    events = PartitionReader(
        stream,
        database,
        EVENTS.name,
        READER,
        operations,
        partitions=config.partitions,
        kinds=Kind.PROFILE,
        guard=guard,
        limit=limit,
    )
    identity = PartitionReader(
        stream,
        database,
        IDENTITY.name,
        READER,
        moves,
        heal=FeedHeal(channel, IDENTITY.name),
        guard=guard,
    )
    ops = ops_servicer(
        database,
        readers={
            (READER, EVENTS.name): ReaderOps(HandleAgain(database, again), EventBatch, limit),
            (READER, IDENTITY.name): ReaderOps(
                HandleAgain(database, moves), IdentityChangeBatch, identity.limit
            ),
        },
        relays={PROFILE.name: relay},
        pages=PageTokens(hmac_sm3(secret, b"siyu.profile.page-tokens")),
        keeper=keeper,
    )

    async def aclose() -> None:
        await channel.close()
        await stream.aclose()
        await singletons.aclose()
        await database.aclose()

    return App(
        servicers=[Servicer(add_ProfileServiceServicer_to_server, servicer), ops],
        trail=AuditTrail(database),
        workers={
            "stream_guard": guard.run,
            "relay": relay.run,
            "data_keys": keeper.run,
            "events": events.run,
            "identity": identity.run,
        },
        probes={
            "database": database_probe(database),
            "events": events.states,
            "identity": identity.states,
        },
        ready=guard.first_verified,
        aclose=aclose,
    )


async def _keeper(
    config: ProfileConfig, database: Database, secret: bytes, clock: Clock
) -> KeyKeeper:
    """The data keys, loaded."""
    try:
        masters = MasterKeys.of(config.field_master_keys.reveal(), secret)
    except ValueError as error:
        raise ConfigError([f"SIYU_FIELD_MASTER_KEYS: {error}"]) from error
    keeper = KeyKeeper(database, masters, clock=clock)
    await keeper.load()
    return keeper
