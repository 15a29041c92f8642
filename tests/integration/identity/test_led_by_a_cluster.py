"""The service lets a cluster say which process relays, re-stitches and folds the past."""

import asyncio

import pytest

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import policy_pb2 as policy_pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_kit.rpc import call
from siyu_kit.testing.fake_cluster import fake_cluster
from support.identity_process import IdentityProcess
from support.identity_service import PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
NAMES = {"siyu-relay.identity.0", "siyu-identity.history", "siyu-identity.runs"}


def holders(cluster):
    return {name: found["spec"]["holderIdentity"] for (_, name), found in cluster.objects.items()}


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def linked(stub, number):
    evidence = pb.Evidence(
        evidence_id=f"e{number}",
        ids=[
            Identifier(type="customer_no", value=f"C{number}"),
            Identifier(type="device_id", value=f"device-{number}"),
        ],
        evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
        event_time_ms=1_700_000_000_000,
        source="test",
    )
    await call(stub.Link, pb.LinkRequest(project_id=PROJECT, evidence=evidence))


async def told(stub, number):
    """Until so many changes are numbered, which the relay's leader does."""
    request = pb.ListChangesRequest(project_id=PROJECT)
    async with asyncio.timeout(60):
        while len((await call(stub.ListChanges, request)).changes) < number:
            await asyncio.sleep(0.1)


async def restitched(stub):
    request = policy_pb.RestitchRequest(project_id=PROJECT, request_id="r")
    run = (await call(stub.Restitch, request)).run
    async with asyncio.timeout(60):
        while run.state == policy_pb.RUN_STATE_RUNNING:
            await asyncio.sleep(0.1)
            request = policy_pb.GetRunRequest(project_id=PROJECT, run_id=run.run_id)
            run = (await call(stub.GetRun, request)).run
    return run.state == policy_pb.RUN_STATE_SUCCEEDED


async def test_singletons_run_under_leases_of_a_cluster(postgres_url, redis_url, tmp_path):
    async with fake_cluster() as cluster:
        settings = {
            "SIYU_LEASES": "kubernetes",
            "SIYU_KUBERNETES_URL": cluster.url,
            "SIYU_LEASE_NAMESPACE": "tests",
        }
        process = await asyncio.to_thread(
            IdentityProcess, postgres_url, redis_url, tmp_path, **settings
        )
        channel = process.channel("user:1")
        try:
            stub = process.stub(channel)
            await until(lambda: holders(cluster).keys() == NAMES and all(holders(cluster).values()))
            await linked(stub, 1)
            await told(stub, 1)
            assert await restitched(stub)
            # The cluster's API goes away, and comes back before the lease ends: nobody notices.
            cluster.refuse = 503
            await linked(stub, 2)
            await told(stub, 2)
            cluster.refuse = 0
            # Somebody deletes a lease: it is lost, and taken again.
            version = cluster.objects.pop(("tests", "siyu-relay.identity.0"))["metadata"]
            await until(lambda: "siyu-relay.identity.0" in holders(cluster))
            assert cluster.objects["tests", "siyu-relay.identity.0"]["metadata"] != version
            await linked(stub, 3)
            await told(stub, 3)
        finally:
            await channel.close()
            await asyncio.to_thread(process.stop)
        assert set(holders(cluster).values()) == {""}
