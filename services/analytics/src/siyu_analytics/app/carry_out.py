"""Carries out a committed plan; again after a crash it comes to the same."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from siyu_analytics.app.plan_rules import Counts, buried, passed_over, readable, summed
from siyu_analytics.app.recent_work import RecentWork
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
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.stream.dead_letter_limit import DeadLetterLimit
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry

_log = get_logger(__name__)


class CarryOut:
    """Stage, number, store, mark done. What cannot be stored becomes a letter, nothing is lost."""

    def __init__(
        self,
        plans: Plans,
        batches: EventBatches,
        numbers: Numbers,
        texts: EventTexts,
        limit: DeadLetterLimit | None = None,
        recent: RecentWork | None = None,
        on_dead_letter: Callable[[str], None] | None = None,
    ) -> None:
        self._limit = limit
        self._on_dead_letter = on_dead_letter
        self._recent = recent or RecentWork()
        self._plans = plans
        self._batches = batches
        self._numbers = numbers
        self._texts = texts

    async def __call__(
        self, owned: Owned, plan: Plan, entries: Sequence[Entry], *, replay: bool
    ) -> None:
        """Raises ``LeaseLost``, ``TooManyDeadLetters``, and what is transient.

        The plan stays open then and is replayed.
        """
        sound, letters = await self._stage(entries)
        failpoint("sink.after_stage")
        counts: Counts = {}
        if sound:
            if await self._batches.unsound():
                letters += [letter for entry in sound for letter in self._texts.unsound(entry)]
            letters += await self._number(sound)
            failpoint("sink.after_number")
            counts = await self._batches.store(plan.batch_no, plan.token, replay=replay)
        if replay:
            counts = await self._with_rows(plan, counts)
        counts = summed([counts, passed_over(entries), buried(letters)])
        self._admit(plan, entries, letters)
        failpoint("sink.after_store")
        await self._plans.done(owned, plan, counts, letters)
        self._remember(entries, counts, letters)
        self._recent.stored(plan.partition, plan.batch_no, counts)
        for letter in letters:
            if self._on_dead_letter is not None:
                self._on_dead_letter(letter.reason)
            _log.error(
                "event_dead_lettered",
                partition=plan.partition,
                entry=letter.entry.id,
                reason=letter.reason,
            )

    def _admit(self, plan: Plan, entries: Sequence[Entry], letters: Sequence[Letter]) -> None:
        if self._limit is None or not letters:
            return
        kinds = Counter(f"{letter.reason} of project {_project(letter)}" for letter in letters)
        [(most, times)] = kinds.most_common(1)
        self._limit.admit(
            len(letters),
            entries=sum(entry.count for entry in entries),
            about=f"{times} {most}, partition {plan.partition} from entry {plan.first_id}",
        )

    async def _with_rows(self, plan: Plan, counts: Counts) -> Counts:
        """A stream that lost planned entries: what was stored of them before is in the store."""
        rows = await self._batches.rows(plan.batch_no)
        more = {
            project_id: StoredCount(stored=stored - counts.get(project_id, StoredCount()).stored)
            for project_id, stored in rows.items()
        }
        return summed([counts, more])

    def _remember(
        self, entries: Sequence[Entry], counts: Counts, letters: Sequence[Letter]
    ) -> None:
        held = sum(entry.count for entry in entries)
        accounted = sum(
            count.stored + count.duplicates + count.passed + count.dead_lettered
            for count in counts.values()
        )
        if held != accounted:
            _log.error("batch_does_not_add_up", held=held, accounted=accounted)
        if self._limit is not None:
            self._limit.passed(held - len(letters))
            self._limit.buried(len(letters))

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


def _project(letter: Letter) -> str:
    return letter.project_id or letter.entry.project_id
