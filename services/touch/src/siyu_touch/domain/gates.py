"""The gates that a message passes at dispatch, in their order.

kill_switch, content, consent, suitability, address, template, quiet_hours, frequency: what cannot
change by waiting comes before what can, and the cap last, so that nothing is reserved in vain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from siyu_touch.domain.campaign import Campaign
from siyu_touch.domain.days import quiet_until
from siyu_touch.domain.decision import Outcome, Verdict
from siyu_touch.domain.suitability import Rating, unsuitable
from siyu_touch.domain.template import Message, Template, rendered
from siyu_touch.domain.template_language import CannotRender
from siyu_touch.domain.vocabulary import Channel, MessageClass, TemplateState

Result = tuple[Verdict, Any]


@dataclass(frozen=True)
class Consent:
    """Standing of a consent."""

    granted: bool
    consent_id: str = ""
    text_version: str = ""


@dataclass(frozen=True)
class Facts:
    """What the profile service says about one person now."""

    person_no: int
    current_person_no: int
    address: str = ""
    address_key: str = ""
    consent: Consent | None = None
    rating: Rating | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    ident_nos: Sequence[int] = ()
    """The identifiers of the person of now: a person's number is that of one of them."""

    @property
    def numbers(self) -> set[int]:
        """All numbers that messages to this person can be kept under."""
        return {self.person_no, self.current_person_no, *self.ident_nos}


@dataclass(frozen=True)
class Situation:
    """Everything that a decision is a function of."""

    now_ms: int
    campaign: Campaign
    template: Template
    facts: Facts
    killed: bool
    taken_by: str
    """ADDRESS_DUPLICATE, PERSON_DUPLICATE or PERSON_HELD_OUT when somebody else has the message."""
    messages_before: int
    """Marketing messages that the person had within the cap's days."""


@dataclass(frozen=True)
class Judgement:
    """What the gates say together; ``until_ms`` when deferred, ``message`` when all passed."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    until_ms: int = 0
    message: Message | None = None

    @property
    def gate(self) -> str:
        """The gate that held the message; empty when all passed."""
        return "" if self.outcome is Outcome.SEND else self.verdicts[-1].gate

    @property
    def reason(self) -> str:
        """Its reason."""
        return "" if self.outcome is Outcome.SEND else self.verdicts[-1].reason


def judge(situation: Situation) -> Judgement:
    """Ask the gates of the message's class in order, up to the first that does not let it pass."""
    verdicts: list[Verdict] = []
    message: Message | None = None
    for gate in GATES_OF[situation.template.message_class]:
        verdict, found = _ASK[gate](situation)
        verdicts.append(verdict)
        if isinstance(found, Message):
            message = found
        if not verdict.passed:
            outcome = Outcome.DEFER if gate == "quiet_hours" else Outcome.REFUSE
            return Judgement(outcome, tuple(verdicts), found if isinstance(found, int) else 0)
    return Judgement(Outcome.SEND, tuple(verdicts), message=message)


def _kill_switch(situation: Situation) -> Result:
    return _verdict("kill_switch", "KILL_SWITCH_ENGAGED" if situation.killed else ""), None


def _content(situation: Situation) -> Result:
    template = situation.template
    refused = "" if template.state is TemplateState.APPROVED else "NOT_APPROVED"
    inputs = {"template_id": template.template_id, "content_digest": template.content_digest}
    return _verdict("content", refused, inputs), None


def _consent(situation: Situation) -> Result:
    template, consent = situation.template, situation.facts.consent
    inputs = {"channel": template.channel.label, "purpose": template.message_class.purpose}
    if consent is None:
        # Service needs no consent, it only ends where somebody said no.
        missing = template.message_class is MessageClass.MARKETING
        return _verdict("consent", "CONSENT_MISSING" if missing else "", inputs), None
    inputs |= {"consent_id": consent.consent_id, "text_version": consent.text_version}
    return _verdict("consent", "" if consent.granted else "CONSENT_WITHDRAWN", inputs), None


def _suitability(situation: Situation) -> Result:
    rating, risk = situation.facts.rating, situation.campaign.product_risk
    inputs = {"product_risk": f"R{risk}" if risk else "none"}
    if rating is not None:
        inputs |= {
            "level": f"C{rating.level}",
            "expire_time_ms": str(rating.expire_time_ms),
            "rating_id": rating.rating_id,
        }
    return _verdict("suitability", unsuitable(risk, rating, situation.now_ms), inputs), None


def _address(situation: Situation) -> Result:
    facts = situation.facts
    needed = situation.template.channel is not Channel.IN_APP
    inputs = {"current_person_no": str(facts.current_person_no), "address_key": facts.address_key}
    refused = "NO_ADDRESS" if needed and not facts.address else situation.taken_by
    return _verdict("address", refused, inputs), None


def _template(situation: Situation) -> Result:
    inputs = {"profile_version": str(situation.facts.version)}
    try:
        message = rendered(situation.template, situation.facts.traits)
    except CannotRender as error:
        return _verdict("template", error.reason, inputs), None
    return _verdict("template", "", inputs), message


def _quiet_hours(situation: Situation) -> Result:
    campaign = situation.campaign
    until_ms = quiet_until(situation.now_ms, campaign.quiet_hours, campaign.zone)
    inputs = {"now_ms": str(situation.now_ms), "zone": campaign.zone}
    if until_ms is None:
        return _verdict("quiet_hours", "", inputs), None
    return _verdict("quiet_hours", "QUIET_HOURS", inputs | {"until_ms": str(until_ms)}), until_ms


def _frequency(situation: Situation) -> Result:
    cap = situation.campaign.frequency_cap
    if cap is None:
        return _verdict("frequency", "", {"cap": "none"}), None
    before = situation.messages_before
    inputs = {"cap": str(cap.messages), "days": str(cap.days), "messages_before": str(before)}
    return _verdict("frequency", "CAP_REACHED" if before >= cap.messages else "", inputs), None


def _verdict(gate: str, refused: str, inputs: Mapping[str, str] | None = None) -> Verdict:
    return Verdict(gate, not refused, refused, inputs or {})


_ASK: Final[Mapping[str, Callable[[Situation], Result]]] = MappingProxyType(
    {
        "kill_switch": _kill_switch,
        "content": _content,
        "consent": _consent,
        "suitability": _suitability,
        "address": _address,
        "template": _template,
        "quiet_hours": _quiet_hours,
        "frequency": _frequency,
    }
)

GATES_OF: Final[Mapping[MessageClass, Sequence[str]]] = MappingProxyType(
    {
        MessageClass.MARKETING: tuple(_ASK),
        MessageClass.SERVICE: ("content", "consent", "address", "template"),
        MessageClass.REGULATORY: ("address", "template"),
    }
)
"""Which gates bind which class; nothing but a missing address or text holds a notice."""
