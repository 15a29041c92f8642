"""Limits of projects: the file, the rates, the load."""

import asyncio
import json
import os

import pytest
from structlog.testing import capture_logs

from siyu_kit.clock import ManualClock
from siyu_kit.errors import TooBusy
from siyu_kit.limits import rates as rates_module
from siyu_kit.limits.admission import Admission
from siyu_kit.limits.load import Load, LoadBounds
from siyu_kit.limits.policy import LimitPolicy, ProjectLimits
from siyu_kit.limits.priority import Priority
from siyu_kit.limits.rates import Rates


def _write(path, content, at):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, ns=(at, at))


def test_the_file_overrides_the_settings_and_is_read_again(tmp_path):
    path = tmp_path / "limits.json"
    own = {"default": {"events_per_s": 10}, "projects": {"big": {"weight": 3}}}
    _write(path, own, 1)
    policy = LimitPolicy(path, ProjectLimits(requests_per_s=5))
    assert policy.of("any") == ProjectLimits(requests_per_s=5, events_per_s=10)
    assert policy.of("big") == ProjectLimits(requests_per_s=5, events_per_s=10, weight=3)
    assert policy.fair
    assert not policy.refresh()
    _write(path, {"fair": False}, 2)
    assert policy.refresh()
    assert (policy.fair, policy.of("big")) == (False, ProjectLimits(requests_per_s=5))


@pytest.mark.parametrize(
    "broken",
    ["{", "[]", {"defaults": {}}, {"default": {"requests": 1}}, {"default": {"burst_s": 0}},
     {"projects": {"a": {"weight": -1}}}, {"projects": {"a": {"events_per_s": "1"}}},
     {"projects": []}, {"fair": "false"}, '{"default": {"weight": NaN}}',
     '{"default": {"events_per_s": Infinity}}'],
)  # fmt: skip
def test_a_broken_file_stops_the_start_and_later_changes_nothing(tmp_path, broken):
    path = tmp_path / "limits.json"
    _write(path, broken, 1)
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are the parsers' own
        LimitPolicy(path)
    _write(path, {"default": {"weight": 2}}, 2)
    policy = LimitPolicy(path)
    _write(path, broken, 3)
    assert not policy.refresh()
    assert policy.of("any").weight == 2


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("{", "line 1 column 2"),
        ({"projects": {"a": {"weight": -1}}}, "projects.a: "),
        ({"default": {"requests": 1}}, "default: limits are an object with"),
        (None, "No such file"),
    ],
)
def test_a_file_that_breaks_later_is_logged_with_what_is_wrong(tmp_path, broken, problem):
    path = tmp_path / "limits.json"
    _write(path, {}, 1)
    policy = LimitPolicy(path)
    if broken is None:
        path.unlink()
    else:
        _write(path, broken, 2)
    with capture_logs() as logged:
        policy.refresh()
    assert [line["event"] for line in logged] == ["limits_file_unreadable"]
    assert problem in logged[0]["problem"]


async def test_a_rate_is_a_projects_own_and_an_override_counts(tmp_path):
    clock, path = ManualClock(), tmp_path / "limits.json"
    _write(path, {"default": {"requests_per_s": 1, "burst_s": 1}}, 1)
    policy = LimitPolicy(path)
    rates = Rates(policy, clock)
    rates.charge("a", requests=1)
    with pytest.raises(TooBusy) as refused:
        rates.charge("a", requests=1)
    assert refused.value.reason == "RATE_LIMITED"
    assert refused.value.metadata == {"limit": "requests"}
    assert 1 <= refused.value.retry_after_s <= 1.2
    rates.charge("b", requests=1)
    await clock.advance(refused.value.retry_after_s)
    rates.charge("a", requests=1)
    _write(path, {"projects": {"a": {"requests_per_s": 0}}}, 2)
    policy.refresh()
    for _ in range(100):
        rates.charge("a", requests=1)


def test_what_is_refused_by_one_limit_is_charged_to_none(tmp_path):
    clock = ManualClock()
    policy = LimitPolicy(default=ProjectLimits(requests_per_s=10, bytes_per_s=10, burst_s=1))
    rates = Rates(policy, clock)
    rates.charge("a", requests=1, size=10)
    for _ in range(50):
        with pytest.raises(TooBusy):
            rates.charge("a", requests=1, size=5)
    rates.charge("a", requests=9)


def test_as_many_projects_as_anybody_names_are_not_remembered(monkeypatch):
    monkeypatch.setattr(rates_module, "MOST_BUCKETS", 10)
    rates = Rates(LimitPolicy(default=ProjectLimits(requests_per_s=1)), ManualClock())
    for no in range(1_000):
        rates.charge(f"p{no}", requests=1)
    assert len(rates._buckets) <= 10


@pytest.mark.parametrize(
    ("lag_s", "held", "refused"),
    [
        (0.0, 0, set()),
        (0.6, 0, {Priority.LOW}),
        (1.2, 0, {Priority.LOW, Priority.ORDINARY}),
        (0.0, 100, {Priority.LOW}),
        (0.0, 250, {Priority.LOW, Priority.ORDINARY}),
    ],
)
def test_load_sheds_by_priority(lag_s, held, refused):
    load = Load(LoadBounds(lag_s=0.5, in_flight_bytes=100), ManualClock())
    load.lag_s = lag_s
    with load.holding(held):
        for priority in refused:
            with pytest.raises(TooBusy) as shed:
                load.check(priority)
            assert shed.value.reason == "OVERLOADED"
            assert 0 < shed.value.retry_after_s <= 10
        for priority in set(Priority) - refused:
            load.check(priority)
    assert load.in_flight_bytes == 0


async def test_lag_is_measured_and_forgotten():
    clock = ManualClock()
    load = Load(LoadBounds(), clock)
    looking = asyncio.create_task(load.look())
    await asyncio.sleep(0)
    clock._elapsed_s += 2.0  # the loop was blocked: the sleeper wakes late
    await clock.advance(0)
    await looking
    assert load.lag_s == pytest.approx(1.9)
    for _ in range(10):
        looking = asyncio.create_task(load.look())
        await asyncio.sleep(0)
        await clock.advance(0.1)
        await looking
    assert load.lag_s < 0.1


async def test_a_vital_request_is_neither_rated_nor_shed():
    policy = LimitPolicy(default=ProjectLimits(requests_per_s=1, burst_s=1))
    admission = Admission(policy, clock=ManualClock())
    admission.load.lag_s = 100.0
    for _ in range(20):
        async with admission.request("a", Priority.VITAL):
            pass
    with pytest.raises(TooBusy):
        async with admission.request("a", Priority.ORDINARY):
            pass
