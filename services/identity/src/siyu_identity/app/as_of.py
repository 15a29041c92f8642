"""Says who identifiers belonged to."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from siyu_identity.app.ports import Directory, Standing
from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.ident import Flag
from siyu_kit.clock import Clock
from siyu_kit.errors import PreconditionFailed

_WAIT_S: Final = 1.0
_LOOK_S: Final = 0.05


class Placed(NamedTuple):
    """Whose an identifier was."""

    ident_no: int
    person_no: int
    person_key: bytes
    flags: int
    """Of the identifier that the person was named after."""


class History(Protocol):
    """The feed, folded."""

    async def sealed(self) -> int:
        """The last sequence that can be asked for."""
        ...

    async def before(self, project_id: str, time_ms: int) -> int:
        """The sequence before the first change that was committed after a time."""
        ...

    async def placed(
        self, project_id: str, numbers: Sequence[int], sequence: int
    ) -> dict[int, Placed]:
        """Whose identifiers were at a sequence; who did not exist then is left out."""
        ...


class ResolveAsOf:
    """Answers of the past; the same question about a sequence always gets the same answer."""

    def __init__(self, directory: Directory, history: History, clock: Clock) -> None:
        self._directory = directory
        self._history = history
        self._clock = clock

    async def __call__(
        self,
        project_id: str,
        identifiers: Sequence[Identifier],
        *,
        sequence: int | None = None,
        time_ms: int = 0,
    ) -> tuple[list[Standing | None], int]:
        """Each one's standing in the order asked, and the sequence that it holds for.

        Raises PreconditionFailed: NOT_SEALED for a sequence that is not there yet, AS_OF_EXPIRED
        when a person of the answer was erased since.
        """
        if sequence is None:
            if time_ms > self._clock.now_ms():
                raise _not_sealed(await self._history.sealed())
            sequence = await self._history.before(project_id, time_ms)
        await self._await_sealed(sequence)
        now = await self._directory.standings(project_id, identifiers)
        numbers = sorted({standing.ident_no for standing in now if standing})
        placed = await self._history.placed(project_id, numbers, sequence) if numbers else {}
        for person in placed.values():
            if person.flags & Flag.ERASED:
                raise PreconditionFailed(
                    "AS_OF_EXPIRED", "a person of the answer was erased", sequence=str(sequence)
                )
        return [
            Standing(*placed[item.ident_no][:3]) if item and item.ident_no in placed else None
            for item in now
        ], sequence

    async def _await_sealed(self, sequence: int) -> None:
        until = self._clock.monotonic() + _WAIT_S
        while (sealed := await self._history.sealed()) < sequence:
            if self._clock.monotonic() >= until:
                raise _not_sealed(sealed)
            await self._clock.sleep(_LOOK_S)


def _not_sealed(sealed: int) -> PreconditionFailed:
    return PreconditionFailed(
        "NOT_SEALED", f"answers are sealed up to sequence {sealed}", sealed=str(sealed)
    )
