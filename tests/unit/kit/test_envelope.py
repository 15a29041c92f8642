"""Fields sealed under versioned data keys, which a master key wraps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.crypto import FieldCipher
from siyu_kit.crypto.envelope import LEGACY, DataKeys, EnvelopeCipher, MasterKeys
from siyu_kit.crypto.field_cipher import key_id_of
from siyu_kit.errors import DataLoss

OLD, NEW, OTHER = b"o" * 16, b"n" * 16, b"x" * 16
SECRET = b"s" * 32
PLACE, BEFORE = b"ident|p|7|mobile|value", b"mobile"


def cipher(keys, purpose=b"ident"):
    return EnvelopeCipher(keys, purpose, FieldCipher({LEGACY: b"l" * 16}, LEGACY))


def test_older_versions_stay_readable_and_new_values_take_the_newest():
    keys = DataKeys()
    sealing = cipher(keys)
    legacy = sealing.encrypt(b"a", PLACE, BEFORE)
    keys.replace({2: OLD}, 2)
    second = sealing.encrypt(b"b", PLACE, BEFORE)
    keys.replace({2: OLD, 3: NEW}, 3)
    third = sealing.encrypt(b"c", PLACE, BEFORE)
    assert [key_id_of(one) for one in (legacy, second, third)] == [LEGACY, 2, 3]
    assert [sealing.is_current(one) for one in (legacy, second, third)] == [False, False, True]
    opened = [sealing.decrypt(one, PLACE, BEFORE) for one in (legacy, second, third)]
    assert opened == [b"a", b"b", b"c"]


def test_a_destroyed_or_another_key_opens_nothing():
    keys = DataKeys({2: OLD}, 2)
    sealing = cipher(keys)
    sealed = sealing.encrypt(b"a", PLACE, BEFORE)
    for others in ({3: NEW}, {2: OTHER}, {}):
        keys.replace(others, max(others, default=LEGACY))
        with pytest.raises(DataLoss):
            sealing.decrypt(sealed, PLACE, BEFORE)
    keys.replace({2: OLD}, 2)
    assert sealing.decrypt(sealed, PLACE, BEFORE) == b"a"


@given(st.binary(max_size=40), st.data())
def test_a_value_opens_in_its_own_place_and_use_and_unaltered_only(plain, data):
    keys = DataKeys({2: OLD}, 2)
    sealed = cipher(keys).encrypt(plain, PLACE, BEFORE)
    assert cipher(keys).decrypt(sealed, PLACE, BEFORE) == plain
    at = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[at] ^= data.draw(st.integers(1, 255))
    attempts = (
        (cipher(keys), bytes(altered), PLACE),
        (cipher(keys), sealed, b"ident|p|8|mobile|value"),
        (cipher(keys), sealed, b"ident|q|7|mobile|value"),
        (cipher(keys, b"contact"), sealed, PLACE),
        (cipher(keys), sealed[:at], PLACE),
    )
    for opening, value, place in attempts:
        with pytest.raises(DataLoss):
            opening.decrypt(value, place, BEFORE)


def test_masters_change_while_older_ones_still_unwrap():
    derived = MasterKeys.of("", SECRET)
    wrapped = derived.wrap(2, NEW)
    first = MasterKeys.of("aa" * 16, SECRET)
    assert first.unwrap(2, wrapped) == NEW
    assert not first.is_current(wrapped)
    again = first.wrap(2, NEW)
    both = MasterKeys.of(f"{'bb' * 16},{'aa' * 16}", SECRET)
    assert both.unwrap(2, again) == NEW
    with pytest.raises(DataLoss):  # its master is no longer configured
        MasterKeys.of("bb" * 16, SECRET).unwrap(2, again)
    with pytest.raises(DataLoss):  # wrapped for another version
        both.unwrap(3, again)
    with pytest.raises(DataLoss):
        MasterKeys.of("", b"t" * 32).unwrap(2, wrapped)


@pytest.mark.parametrize("configured", ["zz", "aa", "aa" * 16 + ",bb"])
def test_masters_of_no_use_are_refused(configured):
    with pytest.raises(ValueError):  # noqa: PT011 - its text may hold the key
        MasterKeys.of(configured, SECRET)
