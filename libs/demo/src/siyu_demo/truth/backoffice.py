"""What holds for a customer at a moment: consent, rating and address."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from siyu_demo.simulator.facts import Consent, ContactPoint, Rating


@dataclass(frozen=True, slots=True)
class Standing:
    """What a campaign must know of one customer at one moment."""

    consent: bool | None
    """Given, or withdrawn, or never stated."""
    level: str | None
    """C1 to C5, or never assessed."""
    expires: int
    """When the level lapses; 0 without one."""
    address: str | None
    """Where to send to; None if there is no address on the channel."""


class BackOffice:
    """Answers from the facts' lists."""

    def __init__(
        self,
        consents: Iterable[Consent],
        ratings: Iterable[Rating],
        contact_points: Iterable[ContactPoint],
    ) -> None:
        self._consents: defaultdict[tuple[str, str, str], list[Consent]] = defaultdict(list)
        for consent in consents:
            key = (consent.customer_no, consent.channel, consent.purpose)
            self._consents[key].append(consent)
        self._ratings: defaultdict[str, list[Rating]] = defaultdict(list)
        for rating in ratings:
            self._ratings[rating.customer_no].append(rating)
        self._points: defaultdict[tuple[str, str], list[ContactPoint]] = defaultdict(list)
        for point in contact_points:
            self._points[point.customer_no, point.type].append(point)

    def standing(self, customer_no: str, channel: str, purpose: str, at_ms: int) -> Standing:
        """What holds at a moment; of statements at one time the more careful one."""
        consents = [c for c in self._consents[customer_no, channel, purpose] if c.time <= at_ms]
        consent = max(consents, key=lambda c: (c.time, not c.granted), default=None)
        ratings = [r for r in self._ratings[customer_no] if r.assessed <= at_ms]
        rating = max(ratings, key=lambda r: (r.assessed, -int(r.level[1])), default=None)
        kind = {"push": "push_token", "sms": "mobile"}.get(channel)
        points = [p for p in self._points[customer_no, kind or ""] if p.time <= at_ms]
        point = max(points, key=lambda p: p.time, default=None)
        return Standing(
            consent=None if consent is None else consent.granted,
            level=None if rating is None else rating.level,
            expires=0 if rating is None else rating.expires,
            address=customer_no if kind is None else None if point is None else point.address,
        )
