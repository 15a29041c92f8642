"""How a read is cut into batches."""

from hypothesis import given
from hypothesis import strategies as st

from siyu_analytics.stream.event_sink import MAX_EVENTS, batches
from siyu_kit.stream.port import Entry


@given(st.lists(st.integers(1, 30_000), max_size=20))
def test_batches_are_bounded_and_lose_nothing(counts):
    entries = [Entry(f"{n}-0", b"", count) for n, count in enumerate(counts, start=1)]
    cut = list(batches(entries))
    assert [entry for batch in cut for entry in batch] == entries
    assert all(sum(entry.count for entry in batch) <= MAX_EVENTS for batch in cut)


def test_one_large_entry_is_a_batch_of_its_own():
    entries = [Entry("1-0", b"", MAX_EVENTS * 2), Entry("2-0", b"", 1)]
    assert [len(batch) for batch in batches(entries)] == [1, 1]
