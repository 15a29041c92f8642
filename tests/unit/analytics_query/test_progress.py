"""How far a question is: one number over all of its statements, which never falls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_analytics.domain.progress import Growth, Reading, State, eta_of, part_of

ROWS = st.integers(0, 1_000)
READINGS = st.builds(Reading, ROWS, ROWS, ROWS, st.floats(0, 10))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from("abc")),
        st.tuples(st.just("end"), st.sampled_from("abc")),
        st.tuples(st.just("look"), st.dictionaries(st.sampled_from("abc"), READINGS)),
    )
)


@given(STEPS, st.booleans())
def test_the_percentage_never_falls_and_is_whole_only_when_it_is_done(steps, stopped):
    growth, now, percent = Growth(0.0), 0.0, 0
    for step, what in steps:
        now += 1
        if step == "start":
            growth.start(what)
        elif step == "end":
            growth.end(what, stopped=False)
        else:
            told = growth.look(what, now)
            assert percent <= told.percent < 100
            assert told.state in {State.QUEUED, State.RUNNING}
            assert told.elapsed_s == now
            percent = told.percent
    growth.stopped = stopped
    growth.close(now)
    told = growth.look({}, now + 5)
    assert told.elapsed_s == now
    assert told.state is (State.STOPPED if stopped else State.DONE)
    assert percent <= told.percent
    assert (told.percent == 100) != stopped


def test_several_statements_are_one_growing_progress():
    growth = Growth(10.0)
    assert growth.look({}, 10.0).state is State.QUEUED
    growth.start("a")
    half = growth.look({"a": Reading(50, 100, 500, 2.0)}, 12.0)
    assert (half.state, half.percent, half.rows, half.rows_total) == (State.RUNNING, 40, 50, 100)
    assert (half.size, half.elapsed_s, half.eta_s) == (500, 2.0, 2.0)
    growth.look({"a": Reading(100, 100, 900, 3.0)}, 13.0)
    growth.end("a", stopped=False)
    between = growth.look({}, 13.5)
    assert (between.state, between.percent, between.eta_s) == (State.QUEUED, 80, None)
    growth.start("b")
    second = growth.look({"b": Reading(30, 60, 300, 1.0)}, 14.0)
    assert (second.percent, second.rows, second.rows_total, second.size) == (88, 130, 160, 1200)
    growth.end("b", stopped=True)
    growth.close(15.0)
    assert growth.look({}, 20.0).state is State.STOPPED


@given(READINGS)
def test_the_time_left_is_that_of_the_rows_left(reading):
    assert 0 <= part_of(reading) <= 1
    eta = eta_of(reading)
    if not 0 < reading.rows < reading.rows_total:
        assert eta is None
    else:
        pace = reading.rows_total / reading.rows
        assert reading.elapsed_s + eta == pytest.approx(reading.elapsed_s * pace)
