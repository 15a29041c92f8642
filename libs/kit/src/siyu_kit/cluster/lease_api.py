"""Leases of coordination.k8s.io/v1, read and written whole.

The client library is imported when it is first needed: most processes run without a cluster.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from siyu_kit.errors import Conflict, DependencyDown

if TYPE_CHECKING:
    from kubernetes.aio.client import CoordinationV1Api, V1Lease

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_CONFLICT, _NOT_FOUND = 409, 404


@dataclass(frozen=True, slots=True)
class LeaseObject:
    """One Lease; ``version`` is empty before it is created."""

    name: str
    holder: str
    duration_s: int
    transitions: int = 0
    acquired: datetime | None = None
    renewed: datetime | None = None
    version: str = ""


class LeaseApi:
    """The leases of one namespace.

    ``url`` is that of an API server reached without credentials, such as ``kubectl proxy``; empty:
    the cluster's, as the service account of the pod, which must be allowed to get, create and
    update leases. Everything raises DependencyDown when the server does not answer in time.
    """

    def __init__(self, namespace: str = "", url: str = "", *, timeout_s: float = 3.0) -> None:
        self._namespace, self._url, self._timeout_s = namespace, url, timeout_s
        self._opened: CoordinationV1Api | None = None

    async def get(self, name: str) -> LeaseObject | None:
        """One by name; None when there is none."""
        try:
            return await self._call("read_namespaced_lease", name)
        except _NotThereError:
            return None

    async def create(self, lease: LeaseObject) -> LeaseObject:
        """Make a new one; raises Conflict when there is one with its name."""
        return await self._call("create_namespaced_lease", body=lease)

    async def replace(self, lease: LeaseObject) -> LeaseObject:
        """Write it over the version that was read; raises Conflict when that is not the latest."""
        try:
            return await self._call("replace_namespaced_lease", lease.name, body=lease)
        except _NotThereError:
            raise Conflict("LEASE_MOVED", "the lease was deleted", lease=lease.name) from None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.api_client.close()
            self._opened = None

    async def _call(self, method: str, *args: str, body: LeaseObject | None = None) -> LeaseObject:
        with _surfaced():
            async with asyncio.timeout(self._timeout_s):
                api = self._api()
                given: dict[str, Any] = {} if body is None else {"body": _message(body)}
                found = await getattr(api, method)(*args, namespace=self._namespace, **given)
        return _object(found)

    def _api(self) -> CoordinationV1Api:
        if self._opened is None:
            from kubernetes.aio.client import ApiClient, Configuration, CoordinationV1Api
            from kubernetes.aio.config import load_incluster_config

            configuration = Configuration(host=self._url or None)
            # The API server is near: no proxy of the environment leads to it.
            configuration.client_session_kwargs = {"trust_env": False}
            if not self._url:
                load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            if not self._namespace:
                self._namespace = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
            self._opened = CoordinationV1Api(ApiClient(configuration))
        return self._opened


def lease_name(prefix: str, name: str) -> str:
    """The name of a Lease; raises ValueError for one that Kubernetes does not take."""
    whole = f"{prefix}-{name}" if prefix else name
    if not _NAME.fullmatch(whole):
        raise ValueError(f"{whole!r} is no name of a Kubernetes object")
    return whole


def stamped(lease: LeaseObject, holder: str) -> LeaseObject:
    """The lease as held from now on."""
    now = datetime.now(UTC)
    # A time without a fraction is written without one, and then refused.
    now = now.replace(microsecond=now.microsecond or 1)
    if lease.holder == holder and lease.acquired is not None:
        return replace(lease, renewed=now)
    transitions = lease.transitions + (1 if lease.version else 0)
    return replace(lease, holder=holder, transitions=transitions, acquired=now, renewed=now)


class _NotThereError(Exception):
    """There is no such object."""


@contextmanager
def _surfaced() -> Iterator[None]:
    """The client library's errors as ours."""
    from aiohttp import ClientError
    from kubernetes.aio.client.exceptions import ApiException
    from kubernetes.aio.config import ConfigException

    try:
        yield
    except ApiException as error:
        if error.status == _NOT_FOUND:
            raise _NotThereError from error
        if error.status == _CONFLICT:
            raise Conflict("LEASE_MOVED", "somebody else wrote the lease") from error
        raise _down(f"answers {error.status} {error.reason}") from error
    except (ClientError, TimeoutError, OSError, ConfigException) as error:
        raise _down(type(error).__name__) from error


def _down(what: str) -> DependencyDown:
    return DependencyDown("DEPENDENCY_DOWN", f"the cluster's API: {what}", dependency="cluster")


def _message(lease: LeaseObject) -> V1Lease:
    from kubernetes.aio.client import V1Lease, V1LeaseSpec, V1ObjectMeta

    return V1Lease(
        api_version="coordination.k8s.io/v1",
        kind="Lease",
        metadata=V1ObjectMeta(name=lease.name, resource_version=lease.version or None),
        spec=V1LeaseSpec(
            holder_identity=lease.holder,
            lease_duration_seconds=lease.duration_s,
            lease_transitions=lease.transitions,
            acquire_time=lease.acquired,
            renew_time=lease.renewed,
        ),
    )


def _object(message: V1Lease) -> LeaseObject:
    from kubernetes.aio.client import V1LeaseSpec, V1ObjectMeta

    spec, about = message.spec or V1LeaseSpec(), message.metadata or V1ObjectMeta()
    return LeaseObject(
        name=about.name or "",
        holder=spec.holder_identity or "",
        duration_s=spec.lease_duration_seconds or 1,
        transitions=spec.lease_transitions or 0,
        acquired=spec.acquire_time,
        renewed=spec.renew_time,
        version=about.resource_version or "",
    )
