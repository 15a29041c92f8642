"""The HTTP server: routes, bounds, one answer for every error."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from aiohttp import web

from siyu_collect.app.ports import Tally
from siyu_collect.domain.segment import CALLS
from siyu_collect.http import answers
from siyu_collect.http.observer import RequestObserver
from siyu_collect.http.segment import SegmentDoor
from siyu_collect.http.sensors import SensorsDoor
from siyu_kit.errors import DomainError, TooBusy
from siyu_kit.log import get_logger
from siyu_kit.scope import Scope
from siyu_kit.telemetry import DISABLED, Telemetry

logger = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEEPALIVE_S: Final = 30.0
SHUTDOWN_S: Final = 10.0


class HttpServer:
    """Listens beside the gRPC server, in the same loop."""

    def __init__(
        self,
        sensors: SensorsDoor,
        segment: SegmentDoor,
        tally: Tally,
        *,
        max_requests: int,
        origins: Collection[str] = (),
        telemetry: Telemetry = DISABLED,
    ) -> None:
        self._observer = RequestObserver(telemetry)
        self._tally = tally
        self._max_requests = max_requests
        self._origins = frozenset(origins)
        self._active = 0
        self._runner = web.AppRunner(
            self._application(sensors, segment),
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_S,
            auto_decompress=False,  # bodies are unpacked within bounds, by ``body``
        )
        self.port = 0

    async def start(self, listen: str) -> None:
        """Bind and serve; ``port`` is the bound one."""
        host, _, port = listen.rpartition(":")
        await self._runner.setup()
        await web.TCPSite(self._runner, host.strip("[]") or None, int(port)).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Take no new requests and finish those under way."""
        await self._runner.cleanup()

    def _application(self, sensors: SensorsDoor, segment: SegmentDoor) -> web.Application:
        application = web.Application(middlewares=[self._served])
        add = application.router.add_route
        add("POST", "/sa", sensors.post)
        add("GET", "/sa", sensors.get)
        add("POST", "/sa.gif", sensors.post)
        add("GET", "/sa.gif", sensors.get)
        add("POST", "/v1/batch", segment.batch)
        add("POST", f"/v1/{{call:{'|'.join(CALLS)}}}", segment.call)
        for path in ("/sa", f"/v1/{{call:batch|{'|'.join(CALLS)}}}"):
            add("OPTIONS", path, _preflight)
        return application

    @web.middleware
    async def _served(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Bounds, telemetry, errors and CORS of every request."""
        with self._observer.observed(request) as observed:
            response = await self._answered(request, handler, observed.scope)
            observed.status = response.status
        self._allow_origin(request, response)
        return response

    async def _answered(
        self, request: web.Request, handler: Handler, scope: Scope
    ) -> web.StreamResponse:
        try:
            return await self._bounded(request, handler)
        except DomainError as error:
            self._tally.refused("http", error.reason)
            logger.info("http_refused", reason=error.reason, path=request.path)
            return answers.failed(error)
        except web.HTTPException as error:
            return error
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            logger.exception("http_failed", path=request.path)
            return answers.broken(f"{scope.trace_id:032x}")

    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._active >= self._max_requests:
            raise TooBusy(
                "OVERLOADED", "too many requests at once", retry_after_s=1.0, limit="requests"
            )
        self._active += 1
        try:
            return await handler(request)
        finally:
            self._active -= 1

    def _allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin")
        if origin and ("*" in self._origins or origin in self._origins):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"


async def _preflight(request: web.Request) -> web.Response:
    """What a browser asks before it posts; the origin's header is added for those allowed."""
    allowed = request.headers.get("Access-Control-Request-Headers", "content-type")
    headers = {
        "Access-Control-Allow-Methods": "POST, GET",
        "Access-Control-Allow-Headers": allowed,
        "Access-Control-Max-Age": "3600",
    }
    return web.Response(status=204, headers=headers)
