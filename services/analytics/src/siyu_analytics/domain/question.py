"""What every model's question can do, so that one use case asks all of them."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.scope import Scope


class Question(Protocol):
    """A typed question of one model: pure, immutable, compiled to statements."""

    @property
    def scope(self) -> Scope:
        """Range, time of view, zone and persons."""
        ...

    def filled(self, now_ms: int, /) -> Self:
        """With every default in its place."""
        ...

    def check(self) -> None:
        """Refuse a filled question that is malformed (InvalidInput)."""
        ...

    @property
    def limit(self) -> int:
        """Groups kept."""
        ...

    def groups(self, binder: Binder, /) -> Query | None:
        """Rows of ``split``, greatest first, one more than are kept; None without a breakdown."""
        ...

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None, /) -> Query:
        """The numbers; of the groups the kept ones and one of the others, all with None."""
        ...

    def members(self, binder: Binder, cell: Any, kept: Sequence[GroupKey] | None, /) -> str:
        """A SELECT of the persons of a cell (``person``), from the rows of the numbers."""
        ...
