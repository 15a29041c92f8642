"""Mutual TLS by configuration, and certificates that change under open streams."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from cryptography import x509

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth import FixedToken
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.errors import DependencyDown
from siyu_kit.rpc import RpcServer, call, connect
from siyu_kit.rpc.client import stream
from siyu_kit.rpc.tls import certificates, channel_credentials, server_credentials
from siyu_kit.testing.rpc import VERIFIER, token
from support.certificates import Authority
from support.fake_identity import FakeIdentity, refusal, resolve

pytestmark = pytest.mark.loopback


@pytest.fixture(autouse=True)
def _looked_at_at_once(monkeypatch):
    monkeypatch.setattr("siyu_kit.watched.RECHECK_S", 0.0)


@asynccontextmanager
async def served(settings, fake=None):
    server = RpcServer(verifier=VERIFIER)
    server.add((fake or FakeIdentity()).servicer())
    port = await server.start("127.0.0.1:0", server_credentials(settings))
    await server.set_ready(ready=True)
    try:
        yield port
    finally:
        await server.stop(0)


def channel_to(port, settings):
    credentials = None if settings is None else certificates(settings)
    return connect(f"127.0.0.1:{port}", FixedToken(token("service")), credentials=credentials)


async def refused(port, settings):
    async with channel_to(port, settings) as channel:
        stub = IdentityServiceStub(channel)
        return await refusal(call(stub.Resolve, resolve(), timeout_s=3))


async def shown_serial(port, settings):
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(found).serial_number


async def test_with_a_ca_both_sides_show_a_certificate(tmp_path):
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    expired = load(CommonConfig, ca.issue("expired", expired=True))
    distrusts = load(CommonConfig, {**ca.issue("x"), "SIYU_TLS_CA_FILE": str(other.ca_file)})
    only_trusts = load(CommonConfig, {"SIYU_TLS_CA_FILE": str(ca.ca_file)})
    async with served(ca.settings("identity")) as port:
        async with channel_to(port, ca.settings("touch")) as channel:
            await call(IdentityServiceStub(channel).Resolve, resolve())
        for stranger in (None, only_trusts, other.settings("stranger"), expired, distrusts):
            assert isinstance(await refused(port, stranger), DependencyDown)
    assert channel_credentials(load(CommonConfig, {})) is None
    assert server_credentials(load(CommonConfig, {})) is None


async def test_a_stream_outlives_new_certificates_and_new_connections_are_shown_them(tmp_path):
    ca, fake = Authority(tmp_path), FakeIdentity()
    server_side = load(CommonConfig, ca.issue("identity", serial=1001))
    client_side = load(CommonConfig, ca.issue("touch", serial=2001))
    async with served(server_side, fake) as port, channel_to(port, client_side) as channel:
        stub = IdentityServiceStub(channel)
        watch = pb.WatchChangesRequest(project_id="demo", after_sequence=2)
        async with stream(stub.WatchChanges, watch) as messages:
            assert (await anext(messages)).checkpoint_sequence == 1
            assert await shown_serial(port, client_side) == 1001
            ca.issue("identity", serial=1002)
            ca.issue("touch", serial=2002)
            assert await shown_serial(port, client_side) == 1002
            for _ in range(5):
                await call(stub.Resolve, resolve())  # on a channel of the new certificates
            assert len(channel._renewed._retired) == 1
            fake.release.set()
            assert (await anext(messages)).checkpoint_sequence == 2
            with pytest.raises(StopAsyncIteration):
                await anext(messages)
        for _ in range(100):
            if not channel._renewed._retired:
                break
            await asyncio.sleep(0.01)
        assert not channel._renewed._retired  # closed after its last call


async def test_no_call_fails_while_certificates_and_the_ca_change(tmp_path):
    """A CA changes in three steps, as any: trust both, show the new, trust the new alone."""
    old = Authority(tmp_path, "old")
    new = Authority(tmp_path, "new")
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(old.ca_file.read_bytes())

    def settings(name):
        return load(CommonConfig, {**old.issue(name), "SIYU_TLS_CA_FILE": str(trusted)})

    server_side, client_side = settings("identity"), settings("touch")
    done = asyncio.Event()
    async with served(server_side) as port, channel_to(port, client_side) as channel:
        stub = IdentityServiceStub(channel)

        async def load_on():
            calls = 0
            while not done.is_set():
                await call(stub.Resolve, resolve(), timeout_s=5)
                calls += 1
            return calls

        callers = [asyncio.create_task(load_on()) for _ in range(4)]
        await asyncio.sleep(0.1)
        trusted.write_bytes(old.ca_file.read_bytes() + new.ca_file.read_bytes())
        await asyncio.sleep(0.1)
        for name in ("identity", "touch"):
            new.issue(name)
            await asyncio.sleep(0.1)
        trusted.write_bytes(new.ca_file.read_bytes())
        await asyncio.sleep(0.2)
        done.set()
        assert all(calls > 0 for calls in await asyncio.gather(*callers))
        # Nobody of the old CA gets in any more.
        late = load(CommonConfig, {**old.issue("late"), "SIYU_TLS_CA_FILE": str(trusted)})
        assert isinstance(await refused(port, late), DependencyDown)


async def test_half_a_change_leaves_the_old_certificate(tmp_path):
    ca = Authority(tmp_path)
    settings = load(CommonConfig, ca.issue("identity", serial=1))
    client = ca.settings("touch")
    key = settings.tls_key_file.read_bytes()
    async with served(settings) as port:
        ca.issue("identity", serial=2)
        whole = settings.tls_key_file.read_bytes()
        settings.tls_key_file.write_bytes(key)  # the new certificate, the old key
        assert await shown_serial(port, client) == 1
        settings.tls_key_file.write_bytes(whole)
        assert await shown_serial(port, client) == 2


def test_files_of_no_use_stop_the_start(tmp_path):
    ca = Authority(tmp_path)
    settings = ca.settings("identity")
    settings.tls_key_file.write_bytes(ca.settings("other").tls_key_file.read_bytes())
    with pytest.raises(ConfigError, match="SIYU_TLS"):
        server_credentials(settings)
    with pytest.raises(ConfigError, match="belong together"):
        load(CommonConfig, {"SIYU_TLS_CERT_FILE": "a"})
