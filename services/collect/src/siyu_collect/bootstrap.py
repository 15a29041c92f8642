"""Builds the collect service from its settings."""

from typing import Final

from siyu.collect.v1.collect_service_pb2_grpc import add_CollectServiceServicer_to_server
from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.import_lines import ImportLines
from siyu_collect.app.take_events import TakeEvents
from siyu_collect.config import CollectConfig
from siyu_collect.http.body import BodyLimits
from siyu_collect.http.segment import SegmentDoor
from siyu_collect.http.sensors import SensorsDoor
from siyu_collect.http.server import HttpServer
from siyu_collect.http.write_keys import WriteKeys
from siyu_collect.rpc.servicer import CollectServicer
from siyu_collect.stream.log import StreamEventLog
from siyu_collect.stream.states import door_probe
from siyu_collect.stream.tally import MetricTally
from siyu_kit.errors import DependencyDown
from siyu_kit.limits.admission import AdmissionBounds
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.service import App, Runtime, Servicer
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.topics import EVENTS
from siyu_kit.stream.trimmer import StreamTrimmer

KEYS_LOOK_EVERY_S: Final = 5.0
# More than elsewhere: while some batches wait for their common fsync, others are sifted.
SHARED: Final = AdmissionBounds(
    ordinary=Slots(12, guests=4, waiting=256, waiting_each=128),
    low=Slots(8, guests=4, waiting=64, waiting_each=32),
)


async def build(config: CollectConfig, runtime: Runtime) -> App:
    """Connect the stream and open the HTTP door."""
    stream = open_stream(config, runtime.clock, events=True, door=True)
    await stream.check_partitions()
    store, guard = stream.store, stream.guard
    log = StreamEventLog(store, config.partitions, guard=guard)
    tally = MetricTally(runtime.telemetry.meter)
    backpressure = Backpressure(
        log,
        runtime.clock,
        max_in_flight_bytes=config.max_in_flight_bytes,
        max_log_entries=config.max_stream_entries,
        max_log_bytes=config.max_stream_bytes,
    )
    admission = runtime.admission(SHARED)
    take = TakeEvents(log, backpressure, tally, config.partitions, admission.charge_events)
    keys = WriteKeys(config.write_keys_file)
    limits = BodyLimits(
        config.http_max_body_bytes, config.http_max_inflated_bytes, config.http_body_timeout_s
    )
    http = HttpServer(
        SensorsDoor(take, keys, runtime.clock, limits, admission),
        SegmentDoor(take, keys, runtime.clock, limits, admission),
        tally,
        max_requests=config.http_max_requests,
        origins=config.http_origins,
        telemetry=runtime.telemetry,
    )
    await http.start(config.http_listen)
    trimmer = StreamTrimmer(
        store, EVENTS.name, config.partitions, every_s=config.trim_every_s, clock=runtime.clock
    )

    async def ready() -> bool:
        try:
            await store.ping()
        except DependencyDown:
            return False
        return await guard.ready()

    async def watch_keys() -> None:
        while True:
            await runtime.clock.sleep(KEYS_LOOK_EVERY_S)
            keys.refresh()

    async def aclose() -> None:
        await http.stop()
        await log.aclose()
        await store.aclose()

    servicer = CollectServicer(take, ImportLines(take, runtime.clock), runtime.clock)
    return App(
        servicers=[Servicer(add_CollectServiceServicer_to_server, servicer, servicer.readers)],
        workers={
            "stream_guard": guard.run,
            "trim": trimmer.run,
            "watch_log": backpressure.watch,
            "watch_keys": watch_keys,
        },
        probes={"door": door_probe(log, backpressure)},
        ready=ready,
        drain=http.stop,
        aclose=aclose,
        ports=lambda: {"http": http.port},
        admission=admission,
    )
