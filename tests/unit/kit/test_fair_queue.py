"""The fair queue against what it promises, over random arrivals and departures."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu_kit.limits.fair_queue import Entry, FairQueue, Slots

KEYS = st.sampled_from("abcd")
moves = st.lists(st.one_of(KEYS, st.integers(0, 30)), max_size=120)
"""A key arrives, or the n-th of those running leaves."""
bounds = st.builds(
    Slots, st.integers(1, 6), st.integers(0, 3), st.integers(0, 12), st.integers(0, 6)
)


class World:
    """Runs the queue and keeps its own books."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.queue: FairQueue[int] = FairQueue(slots)
        self.running: list[tuple[str, int]] = []
        self.waiting: list[tuple[str, int]] = []
        self.no = 0

    def arrive(self, key: str) -> Entry:
        self.no += 1
        entry, evicted = self.queue.enter(key, self.no, float(self.no))
        if evicted is not None:
            self.waiting = [item for item in self.waiting if item[1] != evicted]
        if entry is Entry.STARTED:
            self.running.append((key, self.no))
        elif entry is Entry.WAITING:
            self.waiting.append((key, self.no))
        return entry

    def leave(self, place: int) -> list[tuple[str, int]]:
        key, _ = self.running.pop(place % len(self.running))
        started = self.queue.leave(key)
        for item in started:
            self.waiting.remove(item)
            self.running.append(item)
        return started

    def runs(self, key: str) -> int:
        return sum(1 for own, _ in self.running if own == key)

    def check(self) -> None:
        assert self.queue.running == len(self.running) <= self.slots.capacity + self.slots.guests
        assert self.queue.waiting == len(self.waiting) <= self.slots.waiting
        for key in "abcd":
            own = [item for item in self.waiting if item[0] == key]
            assert self.queue.waiting_of(key) == len(own) <= self.slots.waiting_each
        if self.waiting:
            assert len(self.running) >= self.slots.capacity, "no slot idles while somebody waits"
            if len(self.running) < self.slots.capacity + self.slots.guests:
                assert all(self.runs(key) for key, _ in self.waiting), "guests are let in"
        assert len(self.queue._keys) <= len(self.running) + len(self.waiting)


@settings(max_examples=300)
@given(bounds, moves)
def test_bounds_hold_and_no_slot_idles(slots, script):
    world = World(slots)
    for move in script:
        if isinstance(move, str):
            world.arrive(move)
        elif world.running:
            world.leave(move)
        world.check()
    while world.running:
        world.leave(0)
        world.check()
    assert not world.waiting, "all who waited were served"
    assert not world.queue._keys, "nothing is remembered of those who left"


@given(bounds, moves)
def test_the_next_is_the_one_that_runs_least(slots, script):
    world = World(slots)
    for move in script:
        if isinstance(move, str):
            world.arrive(move)
        elif world.running:
            before = list(world.waiting)
            runs = {key: world.runs(key) for key, _ in before}
            leaver = world.running[move % len(world.running)][0]
            if leaver in runs:
                runs[leaver] -= 1
            for key, no in world.leave(move):
                assert runs[key] == min(runs.values()), "the least served is served"
                assert no == min(n for own, n in before if own == key), "each queue is in order"


@given(st.integers(1, 20))
def test_one_alone_gets_everything(capacity):
    world = World(Slots(capacity, guests=2, waiting=5, waiting_each=5))
    assert [world.arrive("a") for _ in range(capacity)] == [Entry.STARTED] * capacity
    assert world.arrive("a") is Entry.WAITING
    assert world.arrive("b") is Entry.STARTED, "a newcomer is a guest and need not wait"


def test_two_that_always_want_more_get_halves_and_weights_count():
    for weight, expected in ((1.0, 0.5), (3.0, 0.75)):
        chance = random.Random(5)
        queue: FairQueue[object] = FairQueue(Slots(8, waiting=40, waiting_each=20))
        running: list[str] = []
        served = {"a": 0, "b": 0}

        def arrive(key, queue=queue, running=running, weight=weight):
            if queue.enter(key, object(), 0.0, weight if key == "a" else 1.0)[0] is Entry.STARTED:
                running.append(key)

        for _ in range(4_000):
            for key in "ab":
                while queue.waiting_of(key) < 10:
                    arrive(key)
            gone = running.pop(chance.randrange(len(running)))
            for key, _ in queue.leave(gone):
                served[key] += 1
                running.append(key)
        share = served["a"] / sum(served.values())
        assert share == pytest.approx(expected, abs=0.05)


def test_a_flood_cannot_keep_others_out_of_the_queue():
    world = World(Slots(1, waiting=4, waiting_each=4))
    for _ in range(6):
        world.arrive("a")
    assert world.queue.waiting_of("a") == 4
    assert world.arrive("b") is Entry.WAITING, "the longest queue gives way"
    assert (world.queue.waiting_of("a"), world.queue.waiting_of("b")) == (3, 1)
    assert world.leave(0)[0][0] == "b", "and b is next: it runs nothing"


@pytest.mark.parametrize("capacity", [1, 3])
def test_a_waiting_key_is_served_soon_whatever_the_others_do(capacity):
    """Newcomers without end, each as light as can be, and a flood: none of them is preferred."""
    world = World(Slots(capacity, waiting=20, waiting_each=10))
    for _ in range(12):
        world.arrive("flood")
    world.arrive("patient")
    for turn in range(4 * capacity):
        world.arrive(f"new{turn}")
        world.leave(0)
        if world.runs("patient"):
            return
    raise AssertionError("it is passed over")


def test_who_withdraws_is_not_started():
    queue: FairQueue[str] = FairQueue(Slots(1, waiting=3, waiting_each=3))
    queue.enter("a", "first", 0.0)
    queue.enter("a", "second", 1.0)
    queue.enter("a", "third", 2.0)
    assert queue.age_s("a", 5.0) == 4.0
    assert queue.withdraw("a", "second")
    assert not queue.withdraw("a", "second")
    assert queue.leave("a") == [("a", "third")]


def test_the_time_to_come_again_grows_with_the_number_of_rivals():
    queue: FairQueue[int] = FairQueue(Slots(4, waiting=9, waiting_each=9))
    for no in range(4):
        queue.enter("a", no, 0.0)
    assert queue.retry_after_s("a", 1.0) == pytest.approx(0.25)
    queue.enter("b", 9, 0.0)
    assert queue.retry_after_s("a", 1.0) == pytest.approx(0.5)


def test_slots_without_capacity_are_refused():
    with pytest.raises(ValueError, match="capacity"):
        Slots(0)
