"""The rates of projects: a bucket for each project and kind of amount."""

import random
from typing import Final, Literal

from siyu_kit.clock import Clock
from siyu_kit.errors import TooBusy
from siyu_kit.limits.bucket import TokenBucket
from siyu_kit.limits.policy import LimitPolicy, ProjectLimits

Kind = Literal["requests", "bytes", "events"]

MOST_BUCKETS: Final = 10_000
_LONGEST_RETRY_S: Final = 60.0


class Rates:
    """Charges projects for what they send. Without limits nothing is kept."""

    def __init__(self, policy: LimitPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        # Bounded by MOST_BUCKETS: a caller may name as many projects as it likes.
        self._buckets: dict[tuple[str, Kind], tuple[ProjectLimits, TokenBucket]] = {}

    def charge(self, project: str, *, requests: int = 0, size: int = 0, events: int = 0) -> None:
        """Take these amounts, or nothing. Raises TooBusy (RATE_LIMITED) with the time to wait."""
        limits = self._policy.of(project)
        wanted: tuple[tuple[Kind, float, float], ...] = (
            ("requests", limits.requests_per_s, requests),
            ("bytes", limits.bytes_per_s, size),
            ("events", limits.events_per_s, events),
        )
        now = self._clock.monotonic()
        found: list[tuple[TokenBucket, float]] = []
        for kind, rate, amount in wanted:
            if rate and amount:
                bucket = self._bucket(project, kind, rate, limits, now)
                wait_s = bucket.wait_s(amount, now)
                if wait_s > 0:
                    raise _limited(kind, wait_s)
                found.append((bucket, amount))
        for bucket, amount in found:
            bucket.spend(amount)

    def _bucket(
        self, project: str, kind: Kind, rate: float, limits: ProjectLimits, now: float
    ) -> TokenBucket:
        known = self._buckets.get((project, kind))
        if known is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._make_room(now)
            known = (limits, TokenBucket(rate, rate * limits.burst_s, now))
            self._buckets[project, kind] = known
        elif known[0] is not limits:
            known[1].adjust(rate, rate * limits.burst_s, now)
            self._buckets[project, kind] = (limits, known[1])
        return known[1]

    def _make_room(self, now: float) -> None:
        full = [key for key, (_, bucket) in self._buckets.items() if bucket.is_full(now)]
        # A full bucket is as good as a new one; when all are in use the oldest one goes.
        for key in full or [next(iter(self._buckets))]:
            del self._buckets[key]


def _limited(kind: Kind, wait_s: float) -> TooBusy:
    # Those refused together do not come back together.
    wait_s = min(_LONGEST_RETRY_S, wait_s * random.uniform(1, 1.2))
    return TooBusy(
        "RATE_LIMITED",
        f"the project's rate of {kind} is used up",
        retry_after_s=max(0.001, wait_s),
        limit=kind,
    )
