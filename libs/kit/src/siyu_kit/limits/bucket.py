"""The token bucket: a rate with a burst. Pure; the time is given."""


class TokenBucket:
    """Lets ``rate`` a second pass, and ``burst`` at once.

    An amount beyond the burst passes when the bucket is full and leaves a debt, or it could never
    pass. So in any ``t`` seconds at most ``rate * t + max(burst, largest amount)`` pass.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """``rate`` and ``burst`` are positive; ``now`` is in seconds, as everywhere here."""
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until the amount could be taken; 0: now."""
        self._refill(now)
        missing = min(amount, self._burst) - self._tokens
        return max(0.0, missing / self._rate)

    def spend(self, amount: float) -> None:
        """Take the amount; ask ``wait_s`` first."""
        self._tokens -= amount

    def take(self, amount: float, now: float) -> float:
        """Take the amount and return 0, or take nothing and return the seconds to wait."""
        wait_s = self.wait_s(amount, now)
        if wait_s == 0:
            self.spend(amount)
        return wait_s

    def adjust(self, rate: float, burst: float, now: float) -> None:
        """Go on with another rate; what was saved beyond the new burst is lost."""
        self._refill(now)
        self._rate, self._burst = rate, burst
        self._tokens = min(self._tokens, burst)

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        self._refill(now)
        return self._tokens >= self._burst

    def _refill(self, now: float) -> None:
        # A clock that stands or went back adds nothing.
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
