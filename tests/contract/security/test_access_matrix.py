"""docs/rbac.md is the access matrix: every method has a row, and servers do what the row says."""

import asyncio
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message_factory import GetMessageClass

from siyu_kit.auth import ROLES, FixedToken, TokenIssuer
from siyu_kit.auth.keys import key_id
from siyu_kit.config import CommonConfig, load
from siyu_kit.rpc import RpcServer, connect
from siyu_kit.rpc.service_config import services
from siyu_kit.rpc.tls import certificates, server_credentials
from siyu_kit.testing import rpc as testing_rpc
from siyu_kit.testing.rpc import VERIFIER, serve, token
from support.any_method import ask, methods, path_of, stand_in
from support.certificates import Authority
from support.tree import ROOT

OK, DENIED = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED
UNKNOWN_CALLER = grpc.StatusCode.UNAUTHENTICATED
HEADING = re.compile(r"^## (siyu\.\S+)$")


@pytest.fixture(scope="module")
def matrix():
    """Method -> column -> cell, as the committed page has it."""
    rows, service, columns = {}, None, None
    for line in (ROOT / "docs/rbac.md").read_text(encoding="utf-8").splitlines():
        if found := HEADING.match(line):
            service = found[1]
        elif service and line.startswith("| "):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            if cells[0] == "method":
                columns = cells
            elif not cells[0].startswith("---"):
                row = dict(zip(columns, cells, strict=True))
                rows[f"{service}/{row['method']}"] = row
    return rows


def test_the_page_is_what_the_contracts_say(tmp_path):
    page = tmp_path / "rbac.md"
    subprocess.run([sys.executable, ROOT / "scripts/rbac.py", page], check=True)
    assert (ROOT / "docs/rbac.md").read_text() == page.read_text(), "run `make proto`"


def test_every_method_has_a_row_and_every_row_a_method(matrix):
    assert matrix.keys() == {path_of(method) for method in methods()}
    assert all(set(ROLES) <= row.keys() for row in matrix.values())


def _request(method, project="p"):
    return GetMessageClass(method.input_type)(project_id=project)


def _forged():
    """Tokens that are not ours, by what is wrong with them."""
    issuer = testing_rpc.ISSUER
    good = jwt.decode(issuer.mint("user:li", ROLES), options={"verify_signature": False})
    key = testing_rpc._KEY
    headers = {"kid": key_id(key.public_key())}

    def signed(key=key, algorithm="EdDSA", **changes):
        return jwt.encode({**good, **changes}, key, algorithm=algorithm, headers=headers)

    past = {"iat": good["iat"] - 900, "exp": good["iat"] - 600}
    return {
        "alg none": signed(None, "none"),
        "alg HS256": signed("h" * 64, "HS256"),
        "key of another": signed(Ed25519PrivateKey.generate()),
        "kid unknown": TokenIssuer(Ed25519PrivateKey.generate()).mint("user:li", ROLES),
        "audience": signed(aud="other"),
        "issuer": signed(iss="other"),
        "expired": signed(**past),
        "too long": signed(exp=good["iat"] + 86_400),
        "no roles": signed(roles="admin"),
        "empty": "",
    }


async def test_who_is_not_known_reaches_no_method():
    async with serve(*map(stand_in, services())) as served:
        channels = {"no token": served.anonymous()}
        for flaw, forged in _forged().items():
            channels[flaw] = served.channel(with_token=forged)
        for method in methods():
            for flaw, channel in channels.items():
                answer = await ask(channel, method, _request(method))
                assert answer.code is UNKNOWN_CALLER, (path_of(method), flaw)
                assert answer.messages == []


async def test_each_role_reaches_what_its_column_says_and_no_more(matrix):
    async with serve(*map(stand_in, services())) as served:
        channels = {role: served.channel(role, projects=["p"]) for role in ROLES}
        channels["stranger"] = served.channel("root", projects=["p"])
        for method in methods():
            row = matrix[path_of(method)]
            for role, channel in channels.items():
                answer = await ask(channel, method, _request(method))
                expected = OK if row.get(role) == "yes" else DENIED
                assert answer.code is expected, (path_of(method), role, answer)


async def test_nobody_reaches_another_project(matrix):
    async with serve(*map(stand_in, services())) as served:
        channel = served.channel(*ROLES, projects=["q", "p2"])
        everywhere = served.channel(*ROLES, projects=["*"])
        for method in methods():
            answer = await ask(channel, method, _request(method))
            assert answer.code is DENIED, path_of(method)
            assert answer.messages == []
            # The star stands for all projects only where the row says so, and needs all of them.
            answer = await ask(channel, method, _request(method, "*"))
            assert answer.code in {DENIED, grpc.StatusCode.INVALID_ARGUMENT}, path_of(method)
            answer = await ask(everywhere, method, _request(method, "*"))
            assert (answer.code is OK) == (matrix[path_of(method)]["projects"] == "*")


@asynccontextmanager
async def _guarded(settings):
    server = RpcServer(verifier=VERIFIER)
    for service in services():
        server.add(stand_in(service))
    port = await server.start("127.0.0.1:0", server_credentials(settings))
    await server.set_ready(ready=True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.loopback
async def test_no_method_is_reached_without_a_certificate_of_the_ca(tmp_path):
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    sides = {
        "a good one": ca.settings("touch"),
        "none": load(CommonConfig, {"SIYU_TLS_CA_FILE": str(ca.ca_file)}),
        "of another CA": load(
            CommonConfig, {**other.issue("stranger"), "SIYU_TLS_CA_FILE": str(ca.ca_file)}
        ),
        "expired": load(CommonConfig, ca.issue("late", expired=True)),
    }
    admin = FixedToken(token("admin", projects=["p"]))
    async with _guarded(ca.settings("siyu")) as target:
        for shown, settings in sides.items():
            async with connect(target, admin, credentials=certificates(settings)) as channel:
                asked = list(methods())
                codes = await asyncio.gather(*(_code(channel, method) for method in asked))
            wanted = OK if shown == "a good one" else grpc.StatusCode.UNAVAILABLE
            wrong = [path_of(m) for m, code in zip(asked, codes, strict=True) if code is not wanted]
            assert wrong == [], shown


async def _code(channel, method):
    return (await ask(channel, method, _request(method))).code
