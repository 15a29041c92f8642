import pytest

from siyu_kit.errors import InvalidInput, StaleEtag
from siyu_segment.domain.segment import (
    Change,
    Definition,
    Segment,
    changed,
    check_description,
    check_name,
)

SEGMENT = Segment("p", "s1", "low views", "", 1, Definition(b"one", "Asia/Shanghai"), 10, 10)


def test_another_name_keeps_the_version_and_moves_the_etag():
    after = changed(SEGMENT, Change(name="few views"), SEGMENT.etag, 11)
    assert (after.version, after.name) == (1, "few views")
    assert after.etag != SEGMENT.etag


@pytest.mark.parametrize("change", [Change(condition=b"two"), Change(zone="UTC")])
def test_another_condition_or_zone_is_a_new_version(change):
    assert changed(SEGMENT, change, SEGMENT.etag, 11).version == 2


def test_the_same_condition_is_no_new_version():
    assert changed(SEGMENT, Change(condition=b"one", zone=""), SEGMENT.etag, 11).version == 1


def test_a_change_from_an_older_reading_is_refused():
    newer = changed(SEGMENT, Change(name="x"), SEGMENT.etag, 10)
    with pytest.raises(StaleEtag):
        changed(newer, Change(name="y"), SEGMENT.etag, 11)


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 101])
def test_bad_names_are_refused_with_their_field(name):
    with pytest.raises(InvalidInput) as refused:
        check_name(name)
    assert refused.value.field == "segment.name"


def test_a_long_description_is_refused_with_its_field():
    with pytest.raises(InvalidInput) as refused:
        check_description("x" * 1001)
    assert refused.value.field == "segment.description"
