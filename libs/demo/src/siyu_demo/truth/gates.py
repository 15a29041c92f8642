"""Whether a marketing message may go out, and if not, why: the gates in their order."""

from dataclasses import dataclass
from enum import StrEnum

from siyu_demo.simulator.settings import DAY_MS, MINUTE_MS
from siyu_demo.truth.backoffice import Standing

_ZONE_MS = 8 * 60 * MINUTE_MS
"""Shanghai is eight hours ahead of UTC all year."""


class Verdict(StrEnum):
    """What becomes of a message: the gate that held it, and the reason."""

    SEND = "send"
    NO_CONSENT = "consent: never stated"
    CONSENT_WITHDRAWN = "consent: refused or withdrawn"
    NOT_ASSESSED = "suitability: never assessed"
    RATING_EXPIRED = "suitability: assessment expired"
    ABOVE_LEVEL = "suitability: product above the customer's level"
    NO_ADDRESS = "address: none on the channel"
    QUIET_HOURS = "quiet_hours: waits"
    FREQUENCY = "frequency: cap reached"

    @property
    def gate(self) -> str:
        """The gate's name; empty when nothing held the message."""
        return "" if self is Verdict.SEND else self.value.partition(":")[0]


@dataclass(frozen=True, slots=True)
class CampaignRules:
    """What a marketing campaign asks of a recipient."""

    product_risk: int | None
    """R1 to R5 as 1 to 5; None if no product is promoted."""
    quiet_minutes: tuple[int, int] | None = None
    """Start and end as minutes of the day in Shanghai; it may run over midnight."""
    cap: int | None = None
    """Greatest number of messages to one person within the cap's days."""


def decide(rules: CampaignRules, standing: Standing, at_ms: int, sent_before: int = 0) -> Verdict:
    """Decides one message: consent, then suitability, address, quiet hours, frequency.

    What cannot change by waiting comes before what can.

    Args:
        rules: the campaign's.
        standing: the customer's at that moment.
        at_ms: when the message is to go out.
        sent_before: messages that the person had within the cap's days.
    """
    verdicts = (
        _consent(standing),
        _suitability(rules, standing, at_ms),
        Verdict.SEND if standing.address else Verdict.NO_ADDRESS,
        Verdict.QUIET_HOURS if _is_quiet(rules, at_ms) else Verdict.SEND,
        Verdict.SEND if rules.cap is None or sent_before < rules.cap else Verdict.FREQUENCY,
    )
    return next((verdict for verdict in verdicts if verdict is not Verdict.SEND), Verdict.SEND)


def _consent(standing: Standing) -> Verdict:
    if standing.consent is None:
        return Verdict.NO_CONSENT
    return Verdict.SEND if standing.consent else Verdict.CONSENT_WITHDRAWN


def _suitability(rules: CampaignRules, standing: Standing, at_ms: int) -> Verdict:
    """C1 may be offered R1, and so on up to C5 and R5; the assessment must still hold."""
    if rules.product_risk is None:
        return Verdict.SEND
    if standing.level is None:
        return Verdict.NOT_ASSESSED
    if at_ms >= standing.expires:
        return Verdict.RATING_EXPIRED
    suits = rules.product_risk <= int(standing.level.removeprefix("C"))
    return Verdict.SEND if suits else Verdict.ABOVE_LEVEL


def _is_quiet(rules: CampaignRules, at_ms: int) -> bool:
    if rules.quiet_minutes is None:
        return False
    start, end = rules.quiet_minutes
    minute = (at_ms + _ZONE_MS) % DAY_MS // MINUTE_MS
    return start <= minute < end if start <= end else minute >= start or minute < end
