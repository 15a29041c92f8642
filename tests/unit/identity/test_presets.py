"""The platform's policy, and those that behave as other vendors' systems do."""

import pytest

from siyu_identity.domain.evidence import Identifier, link, unlink
from siyu_identity.domain.policy import IdTypePolicy, Storage
from siyu_identity.domain.policy_body import policy_body, policy_of
from siyu_identity.domain.presets import BROKER, PRESETS
from support.identity_model import reference

X, Y = Identifier("anonymous_id", "X"), Identifier("anonymous_id", "Y")
XIAOZHOU, DAWANG = Identifier("customer_no", "xiaozhou"), Identifier("customer_no", "dawang")
MOBILE, DEVICE = Identifier("mobile", "+8613911110000"), Identifier("device_id", "d")


# Ark's table (user-identify.md): action, and the id of the one acting after it.
ARK_ROWS = [
    ("X browses", None, X, 1),
    ("xiaozhou registers on X", (XIAOZHOU, X, 2), XIAOZHOU, 1),
    ("xiaozhou orders", None, XIAOZHOU, 1),
    ("xiaozhou orders again", None, XIAOZHOU, 1),
    ("dawang logs in on X", (DAWANG, X, 5), DAWANG, 2),
    ("dawang orders", None, DAWANG, 2),
    ("Y browses", None, Y, 3),
    ("xiaozhou logs in on Y", (XIAOZHOU, Y, 8), XIAOZHOU, 1),
    ("xiaozhou orders on Y", None, XIAOZHOU, 1),
    ("dawang logs in on Y", (DAWANG, Y, 10), DAWANG, 2),
]


@pytest.mark.parametrize("row", range(len(ARK_ROWS)), ids=[row[0] for row in ARK_ROWS])
def test_arks_ten_rows(row):
    said = [
        (left, right, link(3, time_ms))
        for _, bound, _, _ in ARK_ROWS[: row + 1]
        if bound
        for left, right, time_ms in [bound]
    ]
    _, _, actor, person = ARK_ROWS[row]
    anchors = reference(said, policy=PRESETS["ark"]).anchors
    ids = {anchors.get(X, X): 1, anchors.get(Y, Y): 3}
    ids.setdefault(anchors.get(XIAOZHOU, XIAOZHOU), 1)
    ids.setdefault(anchors.get(DAWANG, DAWANG), 2)
    assert ids[anchors.get(actor, actor)] == person
    # Also at the end nobody but xiaozhou and X has been bound.
    assert anchors.get(Y, Y) == Y
    assert anchors.get(DAWANG, DAWANG) == DAWANG


def test_ours_would_bind_the_last_row_of_ark():
    said = [(XIAOZHOU, X, link(3, 2)), (DAWANG, X, link(3, 5)), (DAWANG, Y, link(3, 10))]
    assert reference(said).anchors[Y] == DAWANG


def test_sensors_keeps_the_first_binding_of_a_device():
    said = [(XIAOZHOU, DEVICE, link(3, 1)), (DAWANG, DEVICE, link(3, 2))]
    said += [(Identifier("customer_no", f"c{n}"), DEVICE, link(3, 3 + n)) for n in range(9)]
    assert reference(said, policy=PRESETS["sensors"]).anchors[DEVICE] == XIAOZHOU
    assert reference(said).quarantined == {DEVICE}


def test_sensors_binds_and_unbinds_any_declared_key():
    bound = [(XIAOZHOU, MOBILE, link(3, 1)), (XIAOZHOU, DEVICE, link(3, 2))]
    policy = PRESETS["sensors"]
    assert set(reference(bound, policy=policy).anchors.values()) == {XIAOZHOU}
    unbound = [*bound, (XIAOZHOU, MOBILE, unlink(5))]
    assert reference(unbound, policy=policy).anchors[MOBILE] == MOBILE
    rebound = [*unbound, (DAWANG, MOBILE, link(3, 6))]
    assert reference(rebound, policy=policy).anchors[MOBILE] == DAWANG


def test_sensors_one_to_one_joins_one_device_and_one_login():
    said = [(XIAOZHOU, DEVICE, link(3, 1)), (XIAOZHOU, Identifier("device_id", "e"), link(3, 2))]
    anchors = reference(said, policy=PRESETS["sensors_one_to_one"]).anchors
    assert anchors[DEVICE] == XIAOZHOU
    assert anchors[Identifier("device_id", "e")] == Identifier("device_id", "e")


def test_a_type_that_is_not_declared_links_nobody():
    document = Identifier("id_doc", "01:1")
    said = [(XIAOZHOU, document, link(3, 1))]
    result = reference(said, policy=PRESETS["sensors"])
    assert result.quarantined == {document}


def test_ours_holds_what_the_broker_asked_for():
    assert BROKER.version == 1
    assert [name for name, rule in BROKER.types.items() if rule.owner] == [
        "customer_no", "ymt", "id_doc",
    ]  # fmt: skip
    assert {name for name, rule in BROKER.types.items() if rule.storage is Storage.INDEX_ONLY} == {
        "ymt", "id_doc",
    }  # fmt: skip
    shared = {name: rule.shared_by for name, rule in BROKER.types.items() if rule.shared_by}
    assert shared["device_id"] == shared["mobile"] == 3


@pytest.mark.parametrize("policy", PRESETS.values(), ids=lambda policy: policy.name)
def test_a_policy_is_the_same_after_it_was_kept(policy: IdTypePolicy):
    again = policy_of(policy.version, policy_body(policy))
    assert again == policy
    assert list(again.types) == list(policy.types)
