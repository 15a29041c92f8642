"""Token keys change while services run: a set of keys by kid, read again."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from siyu_kit.auth import TokenIssuer, token_source, token_verifier, write_key_pair
from siyu_kit.auth.keys import read_key_set
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.errors import Unauthenticated


@pytest.fixture(autouse=True)
def _looked_at_at_once(monkeypatch):
    monkeypatch.setattr("siyu_kit.watched.RECHECK_S", 0.0)


def public_pem(*keys):
    return b"".join(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for key in keys
    )


def jwks(**keys):
    def raw(key):
        found = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()

    items = [{"kty": "OKP", "crv": "Ed25519", "kid": k, "x": raw(v)} for k, v in keys.items()]
    return json.dumps({"keys": items}).encode()


def write(path, content):
    fresh = path.with_name("fresh")
    fresh.write_bytes(content)
    fresh.replace(path)


def refused(verifier, token):
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(token)
    return caught.value.metadata["cause"]


def verifier_of(path):
    return token_verifier(load(CommonConfig, {"SIYU_AUTH_PUBLIC_KEY_FILE": str(path)}))


def test_old_keys_are_accepted_until_they_are_taken_away(tmp_path):
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    path = tmp_path / "keys.pem"
    write(path, public_pem(old))
    verifier = verifier_of(path)
    of_old, of_new = TokenIssuer(old).mint("a", []), TokenIssuer(new).mint("b", [])
    assert verifier.verify(of_old).subject == "a"
    assert refused(verifier, of_new) == "signature"
    write(path, public_pem(old, new))
    assert verifier.verify(of_old).subject == "a"
    assert verifier.verify(of_new).subject == "b"
    write(path, public_pem(new))
    assert refused(verifier, of_old) == "signature"  # though it was verified, and remembered
    assert verifier.verify(of_new).subject == "b"


def test_a_broken_or_missing_set_leaves_the_keys_as_they_are(tmp_path):
    key, path = Ed25519PrivateKey.generate(), tmp_path / "keys.pem"
    write(path, public_pem(key))
    verifier, token = verifier_of(path), TokenIssuer(key).mint("a", [])
    for content in (b"", b"{", b"no key", b'{"keys": []}'):
        write(path, content)
        assert verifier.verify(token).subject == "a"
    path.unlink()
    assert verifier.verify(token).subject == "a"
    write(path, public_pem(Ed25519PrivateKey.generate()))
    assert refused(verifier, token) == "signature"


def test_an_issuer_of_its_own_names_its_keys(tmp_path):
    key, other, path = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), tmp_path / "set"
    write(path, jwks(**{"2026-11": key, "2026-12": other}))
    verifier = verifier_of(path)
    claims = jwt.decode(TokenIssuer(key).mint("a", []), options={"verify_signature": False})

    def signed(key, kid):
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})

    assert verifier.verify(signed(key, "2026-11")).subject == "a"
    assert refused(verifier, signed(key, "2026-12")) == "signature"
    assert refused(verifier, signed(key, "2027-01")) == "signature"
    assert refused(verifier, jwt.encode(claims, key, algorithm="EdDSA")) == "signature"
    write(path, jwks(**{"2026-12": other}))
    assert refused(verifier, signed(key, "2026-11")) == "signature"


@pytest.mark.parametrize(
    "content",
    [
        b'{"keys": 1}',
        b'{"keys": [1]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": "x", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": 3}]}',
    ],
)
def test_a_set_of_no_use_stops_the_start(tmp_path, content):
    path = tmp_path / "set"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="token keys"):
        verifier_of(path)


def test_two_keys_of_one_name_are_refused(tmp_path):
    path = tmp_path / "set"
    one = json.loads(jwks(a=Ed25519PrivateKey.generate()))["keys"]
    path.write_text(json.dumps({"keys": one * 2}))
    with pytest.raises(ValueError, match="different kid"):
        read_key_set(path)
    path.write_bytes(public_pem(Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())))
    with pytest.raises(ValueError, match="Ed25519"):
        read_key_set(path)


def test_a_local_issuer_keeps_the_keys_that_others_were_given(tmp_path):
    signing, public = write_key_pair(tmp_path)
    (first,) = read_key_set(public)
    assert write_key_pair(tmp_path) == (signing, public)
    assert list(read_key_set(public)) == [first]
    signing.unlink()
    write_key_pair(tmp_path)
    assert first in read_key_set(public)
    assert len(read_key_set(public)) == 2


def test_a_service_signs_with_the_newest_key_it_was_given(tmp_path):
    signing = tmp_path / "issuer.key.pem"
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def private_pem(key):
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    write(signing, private_pem(first))
    write(tmp_path / "both", public_pem(first, second))
    source = token_source(load(CommonConfig, {"SIYU_AUTH_SIGNING_KEY_FILE": str(signing)}), "touch")
    verifier = verifier_of(tmp_path / "both")
    before = source.token()
    assert verifier.verify(before).subject == "service:touch"
    write(signing, private_pem(second))
    source._renew_at = 0.0  # half of the token's life is over
    after = source.token()
    kids = [jwt.get_unverified_header(token)["kid"] for token in (before, after)]
    assert kids[0] != kids[1]
    assert verifier.verify(after).subject == "service:touch"
