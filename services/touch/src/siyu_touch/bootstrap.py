"""Builds the touch service from its settings."""

import socket
from collections.abc import Iterable

from siyu.touch.v1.touch_service_pb2_grpc import add_TouchServiceServicer_to_server
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.clock import Clock
from siyu_kit.cluster.opening import open_election
from siyu_kit.crypto import FieldCipher, hmac_sm3
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.rpc.server import ServerLimits
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, Leases
from siyu_kit.sql.migrate import migrations_of, upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.states import database_probe
from siyu_kit.stream.topics import TOUCH
from siyu_touch.app.dispatch import Dispatcher, Pace
from siyu_touch.app.store import Claim
from siyu_touch.app.tell import Teller
from siyu_touch.channel.event_publisher import EventPublisher
from siyu_touch.channel.http_push import HttpPushProvider
from siyu_touch.config import TouchConfig
from siyu_touch.domain.vocabulary import Channel
from siyu_touch.rpc.analytics_peer import GrpcEffects
from siyu_touch.rpc.collect_peer import GrpcEventSink
from siyu_touch.rpc.identity_peer import GrpcPersons
from siyu_touch.rpc.profile_peer import GrpcSendFacts
from siyu_touch.rpc.segment_peer import GrpcSegmentAudiences
from siyu_touch.rpc.servicer import Peers, TouchServicer
from siyu_touch.store.states import sends_probe
from siyu_touch.store.touch_store import SqlTouchStore

MIGRATIONS = migrations_of("touch", __file__)
#: Longest call: the launch of a large audience.
_DEADLINE_S = 60.0
#: Rows of the outbox, up to 500 events each, handed over at once.
_RELAY_ROWS = 20


async def build(config: TouchConfig, runtime: Runtime) -> App:
    """Connect the database and the peers; nothing is contacted before it is needed."""
    url = config.database_url.reveal()
    if config.migrate:
        await upgrade(url, MIGRATIONS)
    database, outbox = Database(url), Outbox()
    store = SqlTouchStore(database, outbox, inbox_cipher(config.key_bytes))
    peers = {
        name: runtime.connect(getattr(config, f"{name}_target"))
        for name in ("segment", "profile", "analytics", "identity", "collect")
    }
    provider = _provider(config)
    pace = Pace(push_batch=config.push_batch, push_concurrency=config.push_concurrency)
    facts = GrpcSendFacts(peers["profile"])
    dispatcher = Dispatcher(store, facts, provider, runtime.clock, pace)
    persons = GrpcPersons(peers["identity"])
    teller = Teller(persons, GrpcEventSink(peers["collect"]))
    publisher = EventPublisher(teller)
    singletons = open_election(config, database)
    relay = OutboxRelay(
        database,
        publisher,
        topic=TOUCH.name,
        outbox=outbox,
        leases=singletons,
        batch=_RELAY_ROWS,
    )
    servicer = TouchServicer(
        store,
        Peers(
            audiences=GrpcSegmentAudiences(peers["segment"]),
            persons=persons,
            effects=GrpcEffects(peers["analytics"]),
        ),
        runtime.clock,
        PageTokens(config.key_bytes),
        frozenset({Channel.IN_APP, Channel.PUSH} if provider else {Channel.IN_APP}),
        dispatcher.wake.set,
    )

    async def dispatch() -> None:
        await run_dispatcher(dispatcher, Leases(database), runtime.clock)

    async def ready() -> bool:
        await database.ping()
        return True

    async def aclose() -> None:
        await singletons.aclose()
        await _close(peers.values(), provider, database)

    return App(
        servicers=[
            Servicer(add_TouchServiceServicer_to_server, servicer),
            ops_servicer(database, pages=PageTokens(config.key_bytes)),
        ],
        trail=AuditTrail(database),
        workers={"dispatch": dispatch, "relay": relay.run},
        probes={"database": database_probe(database), "sends": sends_probe(database)},
        ready=ready,
        aclose=aclose,
        limits=ServerLimits(default_deadline_s=_DEADLINE_S),
    )


def inbox_cipher(key: bytes) -> FieldCipher:
    """The cipher of the inbox, under a key derived from the service's own."""
    return FieldCipher({1: hmac_sm3(key, b"siyu.touch.inbox")[:16]}, 1)


async def run_dispatcher(
    dispatcher: Dispatcher, leases: Leases, clock: Clock, place: str = ""
) -> None:
    """Dispatch while this place's lease is held; its epoch fences what an earlier run claimed.

    Each place (host, pod) has a lease of its own, so that places work side by side.
    """

    async def work(held: Lease) -> None:
        await dispatcher.run(Claim(held.name, held.epoch))

    await lead(leases, f"dispatch.{place or socket.gethostname()}", work, clock)


def _provider(config: TouchConfig) -> HttpPushProvider | None:
    if not config.push_url:
        return None
    return HttpPushProvider(config.push_url, config.push_timeout_s, config.push_concurrency)


async def _close(
    channels: Iterable[KitChannel], provider: HttpPushProvider | None, database: Database
) -> None:
    for channel in channels:
        await channel.close()
    if provider is not None:
        await provider.aclose()
    await database.aclose()
