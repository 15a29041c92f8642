"""The whole platform under mutual TLS, while every certificate changes."""

import os
import subprocess
import sys

import grpc
import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu_client.client import SiyuClient
from siyu_client.commands import running
from siyu_client.platform import Platform
from siyu_client.platform.services import SERVICES
from siyu_demo.records import Record, Via
from siyu_kit.config import CommonConfig, load
from siyu_kit.rpc.tls import certificates
from support.certificates import Authority
from support.journey import Journey, Texts
from support.living_platform import LivingPlatform, now_ms

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PROJECT = "sealed"
WHO = ("customer_no", "C9400001")


def siyu(folder, variables):
    command = [sys.executable, "-m", "siyu_client.cli", "call", "--dir", str(folder)]
    command += ["analytics", "GetWatermark", f'{{"project_id": "{PROJECT}"}}', "--timeout", "5"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIYU_TLS")} | variables
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


async def test_every_service_speaks_to_every_other_before_and_after_a_change(tmp_path):
    (tmp_path / "ca").mkdir()
    ca = Authority(tmp_path / "ca")
    extra = {spec.name: ca.issue(spec.name) for spec in SERVICES}
    platform = Platform(tmp_path / "platform", projects=(PROJECT,), extra=extra)
    platform.start()
    try:
        running.publish(platform)
        targets = {name: address.target for name, address in platform.addresses.items()}
        tokens = platform.credentials.tokens("user:test", ["admin"], ["*"])
        own = certificates(load(CommonConfig, ca.issue("test")))
        async with SiyuClient(targets, tokens, certificates=own) as client:
            living = LivingPlatform(platform, client, PROJECT)
            for turn in range(2):
                ids = dict([WHO])
                record = Record(
                    f"m{turn}", "track", ids, "deposit", now_ms() - 1_000, {}, True, Via.SEGMENT
                )
                await living.send_by_http([record])
                await living.await_events(turn + 1)  # collect, identity and analytics
                journey = Journey(living, Texts(f"turn-{turn}"))
                await journey.state_facts(WHO, "address")  # profile asks identity
                await journey.refreshed_segment("deposit")  # segment asks analytics
                for name in (*(spec.name for spec in SERVICES), "test"):
                    ca.issue(name)
        async with grpc.aio.insecure_channel(targets["analytics"]) as channel:
            metadata = (("authorization", f"Bearer {tokens.token()}"),)
            stub = AnalyticsServiceStub(channel)
            request = pb.GetWatermarkRequest(project_id=PROJECT)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetWatermark(request, metadata=metadata, timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        bare = siyu(platform.folder, {})
        assert bare.returncode == 1
        shown = siyu(platform.folder, ca.variables("test"))
        assert shown.returncode == 0, shown.stderr
    finally:
        platform.stop()
