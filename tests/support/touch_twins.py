"""Peers of touch whose answers a test decides, and a harness around the service's parts."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyroaring import BitMap

from siyu_kit.errors import DomainError, NotFound
from siyu_touch.app.ports import (
    AddressedEvent,
    Audience,
    Comparison,
    EffectQuestion,
    FactsQuestion,
    GroupOutcome,
    Identifier,
    PersonOf,
    PushMessage,
    Rate,
    ResultKey,
)
from siyu_touch.domain.delivery import Answer, Delivery
from siyu_touch.domain.gates import Consent, Facts
from siyu_touch.domain.suitability import Rating
from siyu_touch.domain.vocabulary import Channel

FAR_MS = 4_000_000_000_000


@dataclass
class ScriptedAudiences:
    """Segments with the members that the test says."""

    members: set[int] = field(default_factory=set)
    error: DomainError | None = None

    async def audience(self, project_id: str, segment_id: str) -> Audience:
        if self.error:
            raise self.error
        return Audience("run-1", BitMap(self.members))


def good_facts(person_no: int, channel: Channel) -> Facts:
    """Somebody whom nothing holds."""
    push = channel is Channel.PUSH
    return Facts(
        person_no=person_no,
        current_person_no=person_no,
        address=f"device-{person_no}" if push else "",
        address_key=f"{person_no:032x}" if push else "",
        consent=Consent(granted=True, consent_id=f"c{person_no}", text_version="v1"),
        rating=Rating(3, FAR_MS, f"r{person_no}"),
        traits={"name": f"客户{person_no}"},
        version=1,
    )


@dataclass
class ScriptedFacts:
    """Good facts for everybody but where the test says otherwise."""

    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    error: DomainError | None = None
    asked: list[FactsQuestion] = field(default_factory=list)
    before_answer: Any = None

    async def facts(self, question: FactsQuestion) -> Sequence[Facts]:
        self.asked.append(question)
        if self.before_answer is not None:
            await self.before_answer()
        if self.error:
            raise self.error
        return [
            replace(good_facts(number, question.channel), **self.changes.get(number, {}))
            for number in question.person_nos
        ]


@dataclass
class ScriptedPersons:
    """Each number is a person's with one more identifier, 1 000 000 above it."""

    error: DomainError | None = None
    calls: int = 0

    async def by_number(self, project_id: str, person_no: int) -> PersonOf:
        self.calls += 1
        if self.error:
            raise self.error
        anchor = Identifier("customer_no", f"{person_no:08}")
        return PersonOf(anchor, [person_no, person_no + 1_000_000])

    async def by_identifier(self, project_id: str, identifier: Identifier) -> PersonOf:
        if identifier.type != "customer_no":
            raise NotFound("PERSON_NOT_FOUND", "nobody")
        return await self.by_number(project_id, int(identifier.value))


@dataclass
class ScriptedEffects:
    """Answers with a comparison and remembers what it was asked."""

    difference: Rate = field(default_factory=lambda: Rate(0.01, -0.02, 0.04))
    significant: bool = False
    asked: list[EffectQuestion] = field(default_factory=list)

    async def compare(self, question: EffectQuestion) -> Comparison:
        self.asked.append(question)
        treated = GroupOutcome(len(question.treated), 1, Rate(0.5, 0.1, 0.9))
        control = GroupOutcome(len(question.control), 0, Rate(0.0, 0.0, 0.2))
        key = ResultKey("d", question.to_ms, 1, 2, 3, "r")
        return Comparison(treated, control, self.difference, self.significant, key)


@dataclass
class RememberingSink:
    """A door that keeps what it takes."""

    error: DomainError | None = None
    taken: list[AddressedEvent] = field(default_factory=list)

    async def ingest(self, project_id: str, events: Sequence[AddressedEvent]) -> Mapping[int, str]:
        if self.error:
            raise self.error
        self.taken.extend(events)
        return {}


@dataclass
class ScriptedProvider:
    """A provider that answers what the test says, by send key or for all."""

    answer: Delivery = field(default_factory=lambda: Delivery(Answer.ACCEPTED))
    pushed: list[PushMessage] = field(default_factory=list)
    before_answer: Any = None

    async def push(self, message: PushMessage) -> Delivery:
        self.pushed.append(message)
        if self.before_answer is not None:
            await self.before_answer(message)
        await asyncio.sleep(0)
        if self.answer.answer is Answer.ACCEPTED:
            return replace(self.answer, provider_message_id=f"p-{message.send_key[:8]}")
        return self.answer
