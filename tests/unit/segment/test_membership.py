from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from siyu_segment.domain.membership import Cause, cause_of, chunks, difference, page_of

MEMBERS = st.sets(st.integers(1, 2_000), max_size=60)


@given(st.lists(MEMBERS, min_size=1, max_size=6))
def test_folding_the_differences_gives_the_last_membership(runs):
    folded: set[int] = set()
    before: set[int] = set()
    for after in runs:
        change = difference(BitMap(before), BitMap(after))
        assert not folded & set(change.entered), "nobody enters twice"
        assert set(change.left) <= folded, "only members leave"
        folded = (folded | set(change.entered)) - set(change.left)
        before = after
    assert folded == runs[-1]


@given(MEMBERS, MEMBERS, st.integers(1, 7))
def test_chunks_lose_and_double_nobody(before, after, size):
    change = difference(BitMap(before), BitMap(after))
    parts = list(chunks(change, size))
    assert [n for part in parts for n in part.entered] == sorted(after - before)
    assert [n for part in parts for n in part.left] == sorted(before - after)
    assert all(len(part.entered) <= size and len(part.left) <= size for part in parts)


@given(MEMBERS, st.integers(1, 9))
def test_pages_are_the_members_in_order(members, size):
    listed: list[int] = []
    cursor = 0
    while True:
        page, cursor = page_of(BitMap(members), cursor, size)
        assert len(page) <= size
        listed += page
        if not cursor:
            break
    assert listed == sorted(members)


def test_the_first_run_of_a_version_reports_the_definition():
    assert cause_of(None, 1) is Cause.DEFINITION
    assert cause_of(1, 2) is Cause.DEFINITION
    assert cause_of(2, 2) is Cause.REFRESH
