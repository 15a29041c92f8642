"""Tokens, token sources, roles, policies, masks."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.segment.v1 import segment_service_pb2 as segment_pb
from siyu_kit.auth import (
    ROLES,
    Caller,
    FileTokens,
    IssuedTokens,
    TokenIssuer,
    TokenVerifier,
    access_of,
    current_caller,
    token_source,
    token_verifier,
    write_key_pair,
)
from siyu_kit.auth.keys import key_id, read_key_set
from siyu_kit.auth.masking import masker_of
from siyu_kit.auth.masks import mask_email, mask_mobile, mask_name, mask_tail
from siyu_kit.clock import ManualClock
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.errors import Unauthenticated
from siyu_kit.rpc.service_config import services

KEY = Ed25519PrivateKey.generate()
NOW = 1_800_000_000


@pytest.fixture
def clock():
    return ManualClock(NOW * 1000)


@pytest.fixture
def verifier(clock):
    return TokenVerifier([KEY.public_key()], clock=clock)


def claims(**changes):
    base = {
        "iss": "siyu-local",
        "aud": "siyu",
        "sub": "user:li",
        "roles": ["analyst"],
        "projects": ["p"],
        "iat": NOW,
        "exp": NOW + 300,
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def signed(key=KEY, algorithm="EdDSA", kid=None, **changes):
    headers = {"kid": kid or key_id(KEY.public_key())}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


async def test_a_token_is_valid_until_it_expires(verifier, clock):
    minted = TokenIssuer(KEY, clock=clock).mint("user:li", ["analyst"], ["p"])
    for _ in range(2):  # checked, then remembered
        caller = verifier.verify(minted)
        assert (caller.subject, caller.projects) == ("user:li", frozenset({"p"}))
        assert caller.may("analytics.query")
        assert not caller.may("segment.write")
        assert caller.may_enter("p")
        assert not caller.may_enter("q")
    await clock.advance(309)
    verifier.verify(minted)
    await clock.advance(1)
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(minted)
    assert caught.value.metadata["cause"] == "expired"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: "", "malformed"),
        (lambda: "a.b.c", "malformed"),
        (lambda: "x" * 9000, "malformed"),
        (lambda: "é.é.é", "malformed"),
        (lambda: signed(Ed25519PrivateKey.generate()), "signature"),
        (lambda: signed(kid="other"), "signature"),
        (lambda: signed("h" * 64, "HS256"), "signature"),
        (lambda: signed(None, "none"), "signature"),
        (lambda: signed()[:-4] + "AAAA", "signature"),
        (lambda: signed(aud="other"), "audience"),
        (lambda: signed(iss="other"), "issuer"),
        (lambda: signed(exp=NOW - 11), "expired"),
        (lambda: signed(exp=NOW + 301), "lifetime"),
        (lambda: signed(iat=NOW + 60, exp=NOW + 100), "lifetime"),
        (lambda: signed(exp=None), "malformed"),
        (lambda: signed(sub=None), "malformed"),
        (lambda: signed(iat=None), "malformed"),
        (lambda: signed(roles="admin"), "malformed"),
        (lambda: signed(projects=None), "malformed"),
        (lambda: signed(exp="soon"), "malformed"),
    ],
)
def test_every_other_token_is_refused_with_its_cause(verifier, make, cause):
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(make())
    assert caught.value.reason == "TOKEN_INVALID"
    assert caught.value.metadata["cause"] == cause


def test_the_memory_of_tokens_is_bounded(verifier, clock, monkeypatch):
    monkeypatch.setattr("siyu_kit.auth.tokens._CACHE_SIZE", 3)
    issuer = TokenIssuer(KEY, clock=clock)
    for number in range(10):
        verifier.verify(issuer.mint(f"s{number}", []))
    assert len(verifier._verified) == 3


def test_keys_can_be_changed_without_a_gap(tmp_path, clock):
    first, second = tmp_path / "a", tmp_path / "b"
    write_key_pair(first)
    signing, public = write_key_pair(second)
    assert (signing.stat().st_mode & 0o777) == 0o600
    assert write_key_pair(second)[0].read_bytes() == signing.read_bytes()
    both = tmp_path / "both.pem"
    both.write_bytes((first / "issuer.pub.pem").read_bytes() + public.read_bytes())
    config = load(CommonConfig, {"SIYU_AUTH_PUBLIC_KEY_FILE": str(both)})
    assert len(read_key_set(both)) == 2
    for directory in (first, second):
        source = token_source(
            load(CommonConfig, {"SIYU_AUTH_SIGNING_KEY_FILE": str(directory / "issuer.key.pem")}),
            "touch",
        )
        assert token_verifier(config).verify(source.token()).subject == "service:touch"


def test_a_server_without_keys_does_not_start(tmp_path):
    (tmp_path / "junk").write_text("no key")
    for environ in ({}, {"SIYU_AUTH_PUBLIC_KEY_FILE": str(tmp_path / "junk")}):
        with pytest.raises(ConfigError):
            token_verifier(load(CommonConfig, environ))


def test_own_tokens_are_renewed_at_half_their_life(clock):
    now = 0.0
    source = IssuedTokens(TokenIssuer(KEY, clock=clock), "s", ["service"], monotonic=lambda: now)
    first = source.token()
    now = 149.0
    assert source.token() is first
    now = 150.0
    assert source.token() != first


def test_a_token_file_is_read_again_when_it_changes(tmp_path):
    now, path = 0.0, tmp_path / "token"
    path.write_text("one\n")
    source = FileTokens(path, monotonic=lambda: now)
    assert source.token() == "one"
    fresh = tmp_path / "fresh"
    fresh.write_text("two")
    fresh.replace(path)
    assert source.token() == "one"
    now = 1.0
    assert source.token() == "two"


def test_nobody_calls_outside_of_a_call():
    with pytest.raises(Unauthenticated):
        current_caller()


def _rules():
    return [access_of(f"{s.full_name}/{m.name}") for s in services() for m in s.methods]


def test_every_method_declares_its_rule_and_names_the_project_first():
    rules = _rules()
    assert len(rules) > 30
    for rule in rules:
        assert rule.permission.split(".")[0] == rule.method.split(".")[1]
        assert rule.request.fields[0].name == "project_id"


def test_roles_grant_what_the_contracts_name_and_nothing_else():
    named = {name for r in _rules() for name in (r.permission, r.reveal) if name}
    granted = frozenset().union(*ROLES.values())
    assert named == granted
    assert ROLES["admin"] == granted


def test_an_unknown_role_grants_nothing():
    assert Caller("s", frozenset({"root"}), frozenset({"*"})).permissions == frozenset()


def test_masks_show_little():
    assert mask_mobile("+8613812345678") == "138****5678"
    assert mask_mobile("123") == "***"
    assert mask_email("li@example.com") == "l***@example.com"
    assert mask_email("odd") == "***"
    assert mask_name("李小龙") == "李**"
    assert mask_tail("100023") == "***23"
    assert mask_tail("23") == "***"


def _identifiers():
    values = {
        "customer_no": "100023",
        "mobile": "+8613812345678",
        "email": "li@example.com",
        "id_doc": "01:110101199003071234",
        "fund_account": "88001234",
        "device_id": "device-1",
        "anonymous_id": "anon-1",
        "novel": "anything",
    }
    answer = identity_pb.GetPersonResponse()
    for kind, value in values.items():
        item = answer.person.identifiers.add()
        item.identifier.type, item.identifier.value = kind, value
    return answer


def test_identifiers_are_masked_by_their_type_and_the_original_is_kept():
    answer = _identifiers()
    before = answer.SerializeToString()
    masked = masker_of(identity_pb.GetPersonResponse.DESCRIPTOR).masked(answer)
    assert answer.SerializeToString() == before
    assert {i.identifier.type: i.identifier.value for i in masked.person.identifiers} == {
        "customer_no": "***23",
        "mobile": "138****5678",
        "email": "l***@example.com",
        "id_doc": "***34",
        "fund_account": "***34",
        "device_id": "device-1",
        "anonymous_id": "anon-1",
        "novel": "***",
    }


def test_types_without_masked_fields_have_no_masker():
    assert masker_of(identity_pb.ResolveResponse.DESCRIPTOR) is None
    assert masker_of(segment_pb.GetSegmentResponse.DESCRIPTOR) is None  # holds a recursive type
    assert masker_of(profile_pb.GetProfileResponse.DESCRIPTOR) is not None
