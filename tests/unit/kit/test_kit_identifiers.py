"""The identifier registry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.auth.masks import BY_TYPE
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import MAX_PER_PERSON, RANKS, is_junk, normalise


def test_every_type_has_a_rank_a_cap_and_a_mask():
    assert set(RANKS) == set(MAX_PER_PERSON) == set(BY_TYPE)
    assert min(RANKS, key=RANKS.__getitem__) == "customer_no"


@pytest.mark.parametrize(
    ("kind", "given_value", "normal"),
    [
        ("mobile", "13812345678", "+8613812345678"),
        ("mobile", " +86 138-1234-5678 ", "+8613812345678"),
        ("mobile", "008613812345678", "+8613812345678"),
        ("mobile", "8613812345678", "+8613812345678"),
        ("mobile", "+85291234567", "+85291234567"),
        ("email", " A.B@Example.COM ", "a.b@example.com"),
        ("customer_no", " 0100023 ", "0100023"),
        ("id_doc", "01:11010119900307123x", "01:11010119900307123X"),
        (
            "device_id",
            "AEBE52E7-03EE-455A-B3C4-E57283966239",
            "aebe52e7-03ee-455a-b3c4-e57283966239",
        ),
        ("device_id", "Vendor_Xyz", "Vendor_Xyz"),
        ("openid", "wx123:oAbC", "wx123:oAbC"),
        ("anonymous_id", "匿名-1", "匿名-1"),
    ],
)
def test_values_have_one_normal_form(kind, given_value, normal):
    assert normalise(kind, given_value) == normal
    assert normalise(kind, normal) == normal


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("mobile", "12345"),
        ("mobile", "12812345678"),
        ("mobile", "+86123"),
        ("email", "nobody"),
        ("email", "a@b"),
        ("customer_no", "   "),
        ("customer_no", "x" * 257),
        ("anonymous_id", "a\x00b"),
        ("anonymous_id", "a\nb"),
        ("passport_colour", "crimson"),
        ("", "x"),
    ],
)
def test_what_is_no_identifier_is_refused_without_repeating_it(kind, value):
    with pytest.raises(InvalidInput) as caught:
        normalise(kind, value)
    assert caught.value.reason == "FIELD_INVALID"
    assert len(value) < 3 or value not in str(caught.value)


@given(st.sampled_from(sorted(RANKS)), st.text(max_size=300))
def test_normalising_is_idempotent_or_refuses(kind, value):
    try:
        normal = normalise(kind, value)
    except InvalidInput:
        return
    assert normal
    assert normalise(kind, normal) == normal


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("mobile", "13800138000"),
        ("mobile", "18888888888"),
        ("device_id", "00000000-0000-0000-0000-000000000000"),
        ("device_id", "02:00:00:00:00:00"),
        ("anonymous_id", "undefined"),
        ("anonymous_id", "[object Object]"),
        ("customer_no", "NULL"),
        ("customer_no", "000000"),
        ("openid", "xxxx"),
    ],
)
def test_placeholders_are_junk(kind, value):
    assert is_junk(kind, normalise(kind, value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("mobile", "13812345679"),
        ("customer_no", "100023"),
        ("customer_no", "7"),
        ("device_id", "aebe52e7-03ee-455a-b3c4-e57283966239"),
        ("anonymous_id", "16b2f5c2d3-0a1-2b3"),
        ("email", "li@example.com"),
    ],
)
def test_real_values_are_not(kind, value):
    assert not is_junk(kind, normalise(kind, value))


def test_the_longest_value_is_measured_in_normal_form():
    with pytest.raises(InvalidInput, match="in normal form") as refused:
        normalise("id_doc", "ßA" * 128)
    assert refused.value.field == "value"
    assert len(normalise("id_doc", "ßA" * 85)) == 255


@given(st.sampled_from(sorted(RANKS)), st.text(max_size=300) | st.text("ßŉΐA", max_size=300))
def test_a_normal_form_is_accepted_as_it_is(kind, value):
    """The services behind the door ask again, and may not find it wrong."""
    try:
        normal = normalise(kind, value)
    except InvalidInput:
        return
    assert normalise(kind, normal) == normal
