"""What a statement costs, in rows that it reads, and what follows from it.

A light statement runs at once. A heavy one takes one of a few places that only heavy ones have, so
that light ones never wait for it. One beyond the limit is refused before it reads anything.
"""

from dataclasses import dataclass

from siyu_kit.errors import QuotaExceeded


@dataclass(frozen=True, slots=True)
class CostBounds:
    """Rows of one statement."""

    light_rows: int = 0
    """A statement that reads more is heavy; 0: none is."""
    most_rows: int = 0
    """A statement that reads more is refused; 0: none is."""

    def __post_init__(self) -> None:
        if min(self.light_rows, self.most_rows) < 0:
            raise ValueError("numbers of rows must not be negative")

    @property
    def first_rows(self) -> int:
        """What a statement may read whose cost is not known yet; 0: anything."""
        bounds = [bound for bound in (self.light_rows, self.most_rows) if bound]
        return min(bounds, default=0)

    def check(self, rows: int) -> None:
        """Raise QuotaExceeded (QUERY_TOO_COSTLY) if a statement may not read so many rows."""
        if self.most_rows and rows > self.most_rows:
            raise QuotaExceeded(
                "QUERY_TOO_COSTLY",
                f"the query would read {rows} rows; {self.most_rows} are the most",
                rows=str(rows),
                limit=str(self.most_rows),
            )
