"""Carries out a committed plan; again after a crash it comes to the same."""

from collections.abc import Sequence
from itertools import groupby

from siyu_analytics.app.plan_rules import readable
from siyu_analytics.app.sink_ports import (
    EventBatches,
    EventTexts,
    Letter,
    Numbers,
    Plan,
    Plans,
    StoredCount,
    Subject,
)
from siyu_kit.errors import InvalidInput
from siyu_kit.log import get_logger
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry

_log = get_logger(__name__)


class CarryOut:
    """Stage, number, store, mark done. What cannot be stored becomes a letter, nothing is lost."""

    def __init__(
        self, plans: Plans, batches: EventBatches, numbers: Numbers, texts: EventTexts
    ) -> None:
        self._plans = plans
        self._batches = batches
        self._numbers = numbers
        self._texts = texts

    async def __call__(
        self, owned: Owned, plan: Plan, entries: Sequence[Entry], *, replay: bool
    ) -> None:
        """Raises ``LeaseLost``, and what is transient: the plan stays open then and is replayed."""
        sound, letters = await self._stage(entries)
        counts: dict[str, StoredCount] = {}
        if sound:
            if await self._batches.unsound():
                letters += [letter for entry in sound for letter in self._texts.unsound(entry)]
            letters += await self._number(sound)
            counts = await self._batches.store(plan.batch_no, plan.token, replay=replay)
        await self._plans.done(owned, plan, counts, letters)
        for letter in letters:
            _log.error(
                "event_dead_lettered",
                partition=plan.partition,
                entry=letter.entry.id,
                reason=letter.reason,
            )

    async def _stage(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Letter]]:
        """Stage all at once; only when that fails look which entry is to blame."""
        sound, letters = readable(entries)
        try:
            await self._batches.stage([entry.payload for entry in sound])
        except InvalidInput:
            sound, guilty = await self._one_by_one(sound)
            letters += guilty
            await self._batches.stage([entry.payload for entry in sound])
        return sound, letters

    async def _one_by_one(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Letter]]:
        sound: list[Entry] = []
        letters: list[Letter] = []
        for entry in entries:
            try:
                await self._batches.stage([entry.payload])
            except InvalidInput as error:
                letters.append(Letter(entry, error.reason, error.message))
            else:
                sound.append(entry)
        return sound, letters

    async def _number(self, entries: Sequence[Entry]) -> list[Letter]:
        unknown = await self._batches.unknown()
        learned: list[tuple[Subject, int]] = []
        for project_id, subjects in groupby(unknown, key=lambda subject: subject.project_id):
            learned += await self._numbers.assign(project_id, list(subjects))
        await self._batches.learn(learned)
        if len(learned) == len(unknown):
            return []
        known = {subject for subject, _ in learned}
        refused = {(s.project_id, s.type, s.value) for s in unknown if s not in known}
        return [letter for entry in entries for letter in self._texts.of_subjects(entry, refused)]
