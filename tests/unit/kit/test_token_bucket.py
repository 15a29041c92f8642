from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.limits.bucket import TokenBucket

steps = st.lists(
    st.tuples(st.floats(0, 5), st.floats(0.1, 30)), min_size=1, max_size=60
)  # (pause, amount)


@given(st.floats(0.5, 100), st.floats(1, 50), steps)
def test_never_more_passes_than_the_rate_and_one_burst(rate, burst, moves):
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    taken: list[tuple[float, float]] = []
    for pause, amount in moves:
        now += pause
        if bucket.take(amount, now) == 0:
            taken.append((now, amount))
    largest = max((amount for _, amount in taken), default=0.0)
    for start, _ in taken:
        for end, _ in taken:
            passed = sum(amount for at, amount in taken if start <= at <= end)
            allowed = rate * max(0.0, end - start) + max(burst, largest)
            assert passed <= allowed + 1e-6 * max(1.0, allowed)


@given(st.floats(0.5, 100), st.floats(1, 50), steps)
def test_who_waits_as_long_as_told_gets_in(rate, burst, moves):
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    for pause, amount in moves:
        now += pause
        wait_s = bucket.take(amount, now)
        if wait_s > 0:
            assert bucket.take(amount, now + wait_s * 0.9) > 0, "the wait is not longer than needed"
            now += wait_s + 1e-6
            assert bucket.take(amount, now) == 0


def test_a_clock_that_goes_back_gives_nothing():
    bucket = TokenBucket(1.0, 2.0, 100.0)
    assert bucket.take(2, 100.0) == 0
    assert bucket.take(1, 50.0) == 1.0
    assert bucket.take(1, 100.5) == 0.5
    assert bucket.take(1, 101.0) == 0


def test_a_lower_rate_takes_what_was_saved():
    bucket = TokenBucket(100.0, 200.0, 0.0)
    bucket.adjust(1.0, 2.0, 0.0)
    assert bucket.take(2, 0.0) == 0
    assert bucket.take(1, 0.0) == 1.0
    assert not bucket.is_full(1.9)
    assert bucket.is_full(2.0)
