"""From configuration to a running service, and from SIGTERM to a clean end.

Stop order: not ready; a delay in which balancers notice; no new calls, those in flight end;
workers stop after the unit they are in; the app closes its stores; telemetry is flushed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import uvloop

from siyu_kit.audit.trail import AuditTrail
from siyu_kit.auth import TokenSource, TokenVerifier, token_source, token_verifier
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.heartbeat import Heartbeat
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.policy import LimitPolicy
from siyu_kit.limits.settings import admission_of, policy_of
from siyu_kit.log import configure_logging, get_logger
from siyu_kit.log_export import export_logs
from siyu_kit.metric_defs import SERVICE_READY, WORKERS_DOWN
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import connect
from siyu_kit.rpc.server import RpcServer, ServerLimits, Servicer
from siyu_kit.rpc.tls import certificates, server_credentials
from siyu_kit.telemetry import Telemetry, configure_telemetry
from siyu_kit.telemetry.page import metrics_page
from siyu_kit.vitals import Probe, Reading, Vitals
from siyu_kit.whole_file import write_whole
from siyu_kit.workers import Supervisor, Worker, unit_of_work

__all__ = ["App", "Runtime", "Servicer", "run", "serve", "unit_of_work"]

logger = get_logger(__name__)

C = TypeVar("C", bound=CommonConfig)

WORKER_GRACE_S: Final = 10.0
FLUSH_S: Final = 3.0
DRAIN_DELAY_S: Final = 5.0
READY_CHECK_S: Final = 1.0
READY_TIMEOUT_S: Final = 5.0
_COLLECT_AFTER: Final = (50_000, 20, 50)
"""Objects of a batch are many and none of them is garbage in cycles: looking is what costs."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


async def _always_ready() -> bool:
    return True


async def _nothing() -> None:
    return


def _no_ports() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class App:
    """What a service's bootstrap hands over."""

    servicers: Sequence[Servicer] = ()
    workers: Mapping[str, Worker] = field(default_factory=dict)
    """Name -> coroutine function that runs until cancelled (returning means: done for good)."""
    ready: Callable[[], Awaitable[bool]] = _always_ready
    """Asked every second; False takes the service out of balancing, and so does raising."""
    drain: Callable[[], Awaitable[None]] = _nothing
    """Called when the server stops, once balancers had time to notice: stop other listeners, finish
    what they took."""
    aclose: Callable[[], Awaitable[None]] = _nothing
    """Called last: close stores and channels."""
    ports: Callable[[], Mapping[str, int]] = _no_ports
    """Ports of other listeners, by name, for the port file (``{"http": 8080}``)."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """Name -> what looks at a state for the metrics, see ``siyu_kit.vitals``."""
    trail: AuditTrail | None = None
    """The audit log, of a service that has a database."""
    limits: ServerLimits | None = None
    """Own limits of the gRPC server; ``max_concurrent_rpcs`` comes from the configuration."""
    admission: Admission | None = None
    """The way in, when another door shares it (``Runtime.admission``)."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the kit hands to a service's bootstrap."""

    name: str
    telemetry: Telemetry
    tokens: TokenSource | None
    verifier: TokenVerifier
    clock: Clock
    config: CommonConfig
    policy: LimitPolicy = field(default_factory=LimitPolicy)
    """What each project may have."""

    def admission(self, bounds: AdmissionBounds | None = None) -> Admission:
        """The way in of this process; a service with a second door makes it, else the kit does."""
        own = bounds or AdmissionBounds()
        return admission_of(self.config, self.policy, own, self.clock, self.telemetry.meter)

    def connect(self, target: str) -> KitChannel:
        """The channel of a peer, with this service's token, telemetry and certificates."""
        return connect(target, self.tokens, self.telemetry, credentials=certificates(self.config))


def run(name: str, config: type[C] | C, build: Callable[[C, Runtime], Awaitable[App]]) -> None:
    """Run the service until SIGTERM or SIGINT; the process exits non-zero when it cannot start.

    ``config`` is the service's configuration or its class (then read from the environment);
    ``build`` makes the app inside the running loop.
    """
    try:
        settings = load(config) if isinstance(config, type) else config
        configure_logging(settings, service=name)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(name, settings, build))
    except ConfigError as error:
        sys.stderr.write(f"siyu-{name}: {error}\n")
        sys.exit(2)
    except _ServiceFailedError:
        sys.exit(1)
    except Exception:
        logger.exception("service_failed")
        sys.exit(1)


class _ServiceFailedError(Exception):
    """The failure is in the log already, before the log's own way out was closed."""


async def serve(
    name: str,
    config: C,
    build: Callable[[C, Runtime], Awaitable[App]],
    *,
    stop: asyncio.Event | None = None,
) -> None:
    """The running service; ends after SIGTERM, SIGINT or ``stop``."""
    stopping = stop or asyncio.Event()
    _stop_on_signals(stopping)
    telemetry = configure_telemetry(
        name,
        config.otlp_endpoint,
        trace_ratio=config.trace_ratio,
        interval_s=config.metrics_interval_s,
        metric_reader=metrics_page(config.metrics_listen),
    )
    end_log_export = export_logs(telemetry.logger_provider)
    runtime = Runtime(
        name=name,
        telemetry=telemetry,
        tokens=token_source(config, name),
        verifier=token_verifier(config),
        clock=SystemClock(),
        config=config,
        policy=policy_of(config),
    )
    try:
        app = await build(config, runtime)
        _settle_memory()
        try:
            await _serve_app(app, config, runtime, stopping)
        finally:
            await app.aclose()
    except ConfigError:
        raise
    except Exception as error:
        logger.exception("service_failed")
        raise _ServiceFailedError from error
    finally:
        logger.info("service_stopped")
        await asyncio.to_thread(telemetry.shutdown, FLUSH_S)
        end_log_export()


def _settle_memory() -> None:
    """What start-up made stays: the collector need not walk it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


async def _serve_app(
    app: App, config: CommonConfig, runtime: Runtime, stopping: asyncio.Event
) -> None:
    limits = _limits(app, config)
    admission = app.admission or runtime.admission(limits.admission)
    server = RpcServer(
        verifier=runtime.verifier,
        telemetry=runtime.telemetry,
        limits=limits,
        admission=admission,
        reflection=config.reflection,
        trail=app.trail,
    )
    for servicer in app.servicers:
        server.add(servicer)
    port = await server.start(config.listen, server_credentials(config))
    supervisor = Supervisor(app.workers, runtime.telemetry)
    if app.trail is not None:
        supervisor.add("audit_head", app.trail.tell_head)
    if runtime.telemetry.measuring:
        supervisor.add("vitals", _vitals(app, config, runtime, server, supervisor).run)
    supervisor.start()
    heartbeat = Heartbeat(config.health_dir)
    readiness = asyncio.create_task(
        _watch_readiness(app, server, supervisor, heartbeat, config, port)
    )
    ended = asyncio.create_task(stopping.wait())
    watching = asyncio.create_task(admission.watch())
    try:
        await asyncio.wait({readiness, ended, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        watching.cancel()
        readiness.cancel()
        heartbeat.beat(ready=False)
        logger.info("service_stopping")
        delay_s = _drain_delay_s(config)
        await asyncio.gather(
            server.drain(delay_s=delay_s, grace_s=config.stop_grace_s), _drain(app, delay_s)
        )
        await supervisor.stop(WORKER_GRACE_S)
    if readiness.done() and not readiness.cancelled():
        readiness.result()  # it ends by failing alone, and then so does the service


async def _drain(app: App, delay_s: float) -> None:
    """The other doors are served as long as the gRPC one, while balancers notice."""
    await asyncio.sleep(delay_s)
    await app.drain()


def _vitals(
    app: App, config: CommonConfig, runtime: Runtime, server: RpcServer, supervisor: Supervisor
) -> Vitals:
    async def service() -> Sequence[Reading]:
        return (
            Reading(SERVICE_READY, int(server.ready)),
            Reading(WORKERS_DOWN, len(supervisor.down)),
        )

    probes = {"service": service, **app.probes}
    return Vitals(runtime.telemetry.meter, probes, config.metrics_interval_s)


async def _watch_readiness(
    app: App,
    server: RpcServer,
    supervisor: Supervisor,
    heartbeat: Heartbeat,
    config: CommonConfig,
    port: int,
) -> None:
    """Keep the health service true, and write the port file when first ready."""
    was_ready = announced = False
    while True:
        heartbeat.beat(ready=was_ready)
        ready = supervisor.healthy and await _says_ready(app)
        if ready != was_ready:
            await server.set_ready(ready=ready)
            was_ready = ready
            if not ready:
                logger.warning("service_not_ready", workers_down=supervisor.down)
        if ready and not announced:
            announced = True
            ports = {"grpc": port, **app.ports()}
            _write_ports(config, ports)
            logger.info("service_ready", listen=config.listen, ports=ports)
        await asyncio.sleep(READY_CHECK_S if was_ready else 0.1)


async def _says_ready(app: App) -> bool:
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            return await app.ready()
    except Exception:
        logger.exception("readiness_check_failed")
        return False


def _write_ports(config: CommonConfig, ports: Mapping[str, int]) -> None:
    path = config.port_file
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(ports).encode())


def _limits(app: App, config: CommonConfig) -> ServerLimits:
    own = app.limits or ServerLimits()
    return replace(own, max_concurrent_rpcs=config.max_concurrent_rpcs)


def _drain_delay_s(config: CommonConfig) -> float:
    if config.drain_delay_s is not None:
        return config.drain_delay_s
    return 0.0 if config.listen_host in _LOOPBACK else DRAIN_DELAY_S


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Off the main thread, and on some systems, signals are somebody else's affair.
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, stopping.set)
