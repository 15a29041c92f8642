"""An API server of Kubernetes that knows Leases alone, on loopback, for tests."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

_PATH: Final = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


class FakeCluster:
    """Keeps objects by version and refuses a write over another version than the latest.

    ``refuse`` is a status that everything is answered with while it is not 0.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.refuse = 0
        self.writes = 0
        self.url = ""
        self._version = 0

    def application(self) -> web.Application:
        """The three calls that leases need."""
        routes = web.Application()
        routes.add_routes(
            [
                web.get(_PATH + "/{name}", self._get),
                web.post(_PATH, self._create),
                web.put(_PATH + "/{name}", self._replace),
            ]
        )
        return routes

    async def _get(self, request: web.Request) -> web.Response:
        if self.refuse:
            return _status(self.refuse, "Refused")
        found = self.objects.get(_key(request))
        return _status(404, "NotFound") if found is None else web.json_response(found)

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = request.match_info["namespace"], body["metadata"]["name"]
        if key in self.objects:
            return _status(409, "AlreadyExists")
        return self._kept(key, body)

    async def _replace(self, request: web.Request) -> web.Response:
        body, key = await request.json(), _key(request)
        if key not in self.objects:
            return _status(404, "NotFound")
        latest = self.objects[key]["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion") not in (None, latest):
            return _status(409, "Conflict")
        return self._kept(key, body)

    def _kept(self, key: tuple[str, str], body: dict[str, Any]) -> web.Response:
        if self.refuse:
            return _status(self.refuse, "Refused")
        times = [body["spec"].get(name) for name in ("acquireTime", "renewTime")]
        if any(time is not None and not _MICRO_TIME.fullmatch(time) for time in times):
            return _status(400, "BadRequest")
        if body["spec"].get("leaseDurationSeconds", 1) < 1:
            return _status(422, "Invalid")
        self._version += 1
        self.writes += 1
        body["metadata"] |= {"namespace": key[0], "resourceVersion": str(self._version)}
        self.objects[key] = body
        return web.json_response(body)


@asynccontextmanager
async def fake_cluster() -> AsyncIterator[FakeCluster]:
    """One that answers at ``url`` until the block ends."""
    cluster = FakeCluster()
    runner = web.AppRunner(cluster.application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        cluster.url = f"http://{host}:{port}"
        yield cluster
    finally:
        await runner.cleanup()


def _key(request: web.Request) -> tuple[str, str]:
    return request.match_info["namespace"], request.match_info["name"]


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "code": code}
    return web.json_response(body, status=code)
