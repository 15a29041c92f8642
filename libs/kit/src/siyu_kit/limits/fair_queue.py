"""Fair admission to a number of slots. Pure: tickets are whatever the caller waits with.

A free slot goes to whoever asks, so one alone gets all of them. When they are taken, requests wait
in a bounded queue for each key, and the next free slot goes to the key that runs the least for its
weight; between equals to the one that had its turn longest ago. A few guest slots beyond the
capacity are kept for a key that runs nothing, so that it need not wait for the end of another's
long work.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")


class Entry(Enum):
    """What becomes of a request that asks for a slot."""

    STARTED = auto()
    WAITING = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Slots:
    """The bounds of one queue."""

    capacity: int
    """Requests that run at once."""
    guests: int = 0
    """Slots beyond that for keys that run nothing."""
    waiting: int = 0
    """Requests that wait at once, over all keys."""
    waiting_each: int = 0
    """Requests of one key that wait at once."""

    def __post_init__(self) -> None:
        if self.capacity < 1 or min(self.guests, self.waiting, self.waiting_each) < 0:
            raise ValueError("slots need a capacity of 1 or more and no negative bound")


@dataclass(slots=True)
class _Key(Generic[T]):
    weight: float = 1.0
    running: int = 0
    left: int = 0
    """When one of its requests ended last, in the order of arrivals and ends."""
    # (order of arrival, time of arrival, ticket)
    # bounded: ``enter`` lets at most ``waiting_each`` in
    queue: deque[tuple[int, float, T]] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """The state of one kind of slots. Keys that neither run nor wait are forgotten."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._keys: dict[str, _Key[T]] = {}
        self._order = 0
        self.running = 0
        self.waiting = 0

    def enter(self, key: str, ticket: T, now: float, weight: float = 1.0) -> tuple[Entry, T | None]:
        """What becomes of the ticket, and the ticket that was put out of the queue for it."""
        own = self._keys.setdefault(key, _Key())
        own.weight = weight
        if self._has_room(own):
            own.running += 1
            self.running += 1
            return Entry.STARTED, None
        evicted = None
        if len(own.queue) >= self._slots.waiting_each:
            return self._refused(key)
        if self.waiting >= self._slots.waiting:
            longest = max(self._keys, key=lambda name: len(self._keys[name].queue))
            # Whoever has the longest queue gives way, or a few could keep all others out.
            if len(self._keys[longest].queue) <= len(own.queue) + 1:
                return self._refused(key)
            evicted = self._keys[longest].queue.pop()[2]
            self.waiting -= 1
            self._forget(longest)
        self._order += 1
        own.queue.append((self._order, now, ticket))
        self.waiting += 1
        return Entry.WAITING, evicted

    def leave(self, key: str) -> list[tuple[str, T]]:
        """A request of this key ended; the keys and tickets that start now."""
        self._order += 1
        self._keys[key].running -= 1
        self._keys[key].left = self._order
        self.running -= 1
        self._forget(key)
        return list(self._started())

    def withdraw(self, key: str, ticket: T) -> bool:
        """A ticket does not wait any more; False when it is not in the queue."""
        own = self._keys.get(key)
        if own is None:
            return False
        for place in own.queue:
            if place[2] is ticket:
                own.queue.remove(place)
                self.waiting -= 1
                self._forget(key)
                return True
        return False

    def waiting_of(self, key: str) -> int:
        """Requests of this key that wait."""
        own = self._keys.get(key)
        return len(own.queue) if own else 0

    def age_s(self, key: str, now: float) -> float:
        """How long the oldest waiting request of this key waits already."""
        own = self._keys.get(key)
        return now - own.queue[0][1] if own and own.queue else 0.0

    def retry_after_s(self, key: str, mean_s: float) -> float:
        """When the key's queue will have moved by one, requests taking ``mean_s`` each."""
        busy = sum(own.weight for own in self._keys.values()) or 1.0
        own = self._keys.get(key)
        share = self._slots.capacity * (own.weight if own else 1.0) / busy
        return mean_s / max(share, 1e-3)

    def _started(self) -> Iterator[tuple[str, T]]:
        while (key := self._next()) is not None:
            own = self._keys[key]
            ticket = own.queue.popleft()[2]
            own.running += 1
            self.running += 1
            self.waiting -= 1
            yield key, ticket

    def _next(self) -> str | None:
        if not self.waiting:
            return None
        ready = [
            (own.running / own.weight, max(own.left, own.queue[0][0]), name)
            for name, own in self._keys.items()
            if own.queue and self._has_room(own)
        ]
        return min(ready)[2] if ready else None

    def _has_room(self, own: _Key[T]) -> bool:
        free = self._slots.capacity - self.running
        return free > 0 or (own.running == 0 and free + self._slots.guests > 0)

    def _refused(self, key: str) -> tuple[Entry, None]:
        self._forget(key)
        return Entry.REFUSED, None

    def _forget(self, key: str) -> None:
        own = self._keys.get(key)
        if own is not None and not own.running and not own.queue:
            del self._keys[key]
