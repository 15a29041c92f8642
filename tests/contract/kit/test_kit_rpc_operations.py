"""What operators rely on: health names, balancing, reflection, mutual TLS."""

import asyncio
import datetime as dt
import ipaddress

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth import FixedToken
from siyu_kit.config import CommonConfig, load
from siyu_kit.errors import DependencyDown
from siyu_kit.rpc import RpcServer, call, connect
from siyu_kit.rpc.tls import channel_credentials, server_credentials
from siyu_kit.testing.rpc import VERIFIER, serve, token
from support.fake_identity import FakeIdentity, refusal, resolve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_tells_readiness_and_liveness_apart_and_needs_no_token():
    async with serve(FakeIdentity().servicer()) as served:
        stub = health_pb2_grpc.HealthStub(served.anonymous())

        async def state(name):
            return (await call(stub.Check, health_pb2.HealthCheckRequest(service=name))).status

        assert [await state(n) for n in ("", "readiness", "liveness")] == [SERVING] * 3
        await served.server.set_ready(ready=False)
        assert [await state(n) for n in ("", "readiness")] == [NOT_SERVING] * 2
        assert await state("liveness") == SERVING


@pytest.mark.loopback
async def test_calls_spread_over_ready_servers_and_leave_one_that_is_not():
    fakes = [FakeIdentity(), FakeIdentity()]
    servers = [RpcServer(verifier=VERIFIER) for _ in fakes]
    ports = []
    for server, fake in zip(servers, fakes, strict=True):
        server.add(fake.servicer())
        ports.append(await server.start("127.0.0.1:0"))
        await server.set_ready(ready=True)
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    try:
        async with connect(target, FixedToken(token("service"))) as channel:
            stub = IdentityServiceStub(channel)
            for _ in range(200):  # until both connections are up
                await call(stub.Resolve, resolve())
                if all(fake.calls for fake in fakes):
                    break
            assert all(fake.calls for fake in fakes)
            await servers[0].set_ready(ready=False)
            await asyncio.sleep(0.3)
            before = fakes[0].calls
            for _ in range(20):
                await call(stub.Resolve, resolve())
            assert fakes[0].calls == before
    finally:
        for server in servers:
            await server.stop(0)


@pytest.mark.parametrize("enabled", [True, False])
async def test_reflection_is_served_by_flag_only(tmp_path, enabled):
    server = RpcServer(verifier=VERIFIER, reflection=enabled)
    server.add(FakeIdentity().servicer())
    await server.start(f"unix:{tmp_path / 's'}")
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    try:
        async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
            asked = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([request])
            )
            if enabled:
                (answer,) = [item async for item in asked]
                names = {item.name for item in answer.list_services_response.service}
                assert "siyu.identity.v1.IdentityService" in names
            else:
                assert await asked.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(0)


def _certificate(directory, name, issuer=None):
    """Write a key and a certificate for 127.0.0.1; the environment that names them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signer_name, signer_key = (subject, key) if issuer is None else issuer
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(minutes=5))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(signer_key, hashes.SHA256())
    )
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return subject, key


def _settings(directory, name, ca="ca"):
    return load(
        CommonConfig,
        {
            "SIYU_TLS_CERT_FILE": str(directory / f"{name}.crt"),
            "SIYU_TLS_KEY_FILE": str(directory / f"{name}.key"),
            "SIYU_TLS_CA_FILE": str(directory / f"{ca}.crt"),
        },
    )


@pytest.mark.loopback
async def test_with_a_ca_both_sides_show_a_certificate(tmp_path):
    ca = _certificate(tmp_path, "ca")
    _certificate(tmp_path, "touch", ca)
    _certificate(tmp_path, "identity", ca)
    _certificate(tmp_path, "stranger")
    server = RpcServer(verifier=VERIFIER)
    server.add(FakeIdentity().servicer())
    port = await server.start("127.0.0.1:0", server_credentials(_settings(tmp_path, "identity")))
    target, tokens = f"127.0.0.1:{port}", FixedToken(token("service"))
    strangers = [
        None,
        channel_credentials(_settings(tmp_path, "stranger")),
        channel_credentials(_settings(tmp_path, "touch", ca="stranger")),
    ]
    try:
        good = channel_credentials(_settings(tmp_path, "touch"))
        async with connect(target, tokens, credentials=good) as channel:
            await call(IdentityServiceStub(channel).Resolve, resolve())
        for credentials in strangers:
            async with connect(target, tokens, credentials=credentials) as channel:
                stub = IdentityServiceStub(channel)
                error = await refusal(call(stub.Resolve, resolve(), timeout_s=3))
                assert isinstance(error, DependencyDown)
    finally:
        await server.stop(0)
    assert channel_credentials(load(CommonConfig, {})) is None
    assert server_credentials(load(CommonConfig, {})) is None
