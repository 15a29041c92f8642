"""Asks for what must be known about persons, in parts that one answer can hold."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siyu_kit.errors import DataLoss, QuotaExceeded, TooBusy
from siyu_touch.app.ports import FactsQuestion, SendFactsSource
from siyu_touch.domain.gates import Facts
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Template

_MOST_FAILURES: Final = 64
"""Failed questions about one batch: more say that the peer is wrong, not what it is asked for."""


@dataclass(frozen=True)
class Answered:
    """Some sends and the facts about their persons; or a single one, and why there are none."""

    sends: Sequence[Send]
    facts: Mapping[int, Facts] | None
    refused: str = ""


class FactsAsker:
    """Halves a question whose answer is too long, or which a damaged profile spoils.

    What stands in the way of one person then holds up that person alone.
    """

    def __init__(self, source: SendFactsSource) -> None:
        self._source = source
        # Template -> persons whose facts may fit into one answer, where more did not.
        self._at_once: dict[str, int] = {}

    async def ask(self, template: Template, sends: Sequence[Send]) -> AsyncIterator[Answered]:
        """Facts about all sends, part by part; raises what the peer raises for any question."""
        most = self._at_once.get(template.template_id) or len(sends) or 1
        parts = [sends[start : start + most] for start in range(0, len(sends), most)]
        parts.reverse()
        failures = 0
        while parts:
            part = parts.pop()
            half = len(part) // 2
            try:
                facts = await self._facts(template, [send.person_no for send in part])
            except (QuotaExceeded, DataLoss) as error:
                failures += 1
                too_long = isinstance(error, QuotaExceeded) and not isinstance(error, TooBusy)
                self._learn(template, half if too_long else 0)
                if isinstance(error, TooBusy) or failures > _MOST_FAILURES:
                    raise
                if half:
                    parts += [part[half:], part[:half]]
                else:
                    yield Answered(part, None, error.reason)
            else:
                yield Answered(part, facts)

    def _learn(self, template: Template, fits: int) -> None:
        """Begin the next batch with what may fit; where one person is too much, size is not why."""
        if fits:
            self._at_once[template.template_id] = fits
        else:
            self._at_once.pop(template.template_id, None)

    async def _facts(self, template: Template, person_nos: list[int]) -> dict[int, Facts]:
        question = FactsQuestion(
            template.project_id,
            person_nos,
            template.channel,
            template.message_class,
            template.traits,
        )
        return dict(zip(person_nos, await self._source.facts(question), strict=True))
