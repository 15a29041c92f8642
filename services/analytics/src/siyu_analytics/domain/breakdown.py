"""Groups: what a result is split by, which groups are kept, and how a group is named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import check_property
from siyu_analytics.domain.traits import latest_trait_text

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A split by a property of an event or by a trait of the person."""

    name: str
    by_trait: bool = False
    limit: int = 0
    """Groups kept, 0 until filled."""

    def filled(self) -> "Breakdown":
        """With the default limit in its place."""
        return replace(self, limit=self.limit or DEFAULT_LIMIT)


def filled(breakdown: Breakdown | None) -> Breakdown | None:
    """With the default limit in its place, if there is a breakdown."""
    return breakdown.filled() if breakdown else None


def limit_of(breakdown: Breakdown | None) -> int:
    """Groups kept; 0 without a breakdown."""
    return breakdown.limit if breakdown else 0


def checked_groups(breakdown: Breakdown | None) -> int:
    """Groups that an answer may have, the others' included; refuses what is malformed."""
    if breakdown is None:
        return 1
    check_breakdown(breakdown, "breakdown")
    return breakdown.limit + 1


def check_breakdown(breakdown: Breakdown, field: str) -> None:
    """Refuse a breakdown that is malformed."""
    if breakdown.by_trait:
        check_name(breakdown.name, f"{field}.trait")
    else:
        check_property(breakdown.name, f"{field}.event_property")
    require(breakdown.limit <= MAX_LIMIT, f"{field}.limit", f"at most {MAX_LIMIT}")


class GroupKey(NamedTuple):
    """Name of a group."""

    value: str = ""
    missing: bool = False
    other: bool = False


OTHER: Final = GroupKey(other=True)
NOWHERE: Final = "('', false, false)"
"""SQL: the place of what is not split."""


def with_trait(binder: Binder, breakdown: Breakdown, rows: str) -> str:
    """Rows with a column ``person`` and, beside their own, the group by a trait as ``split``."""
    texts = latest_trait_text(binder, breakdown.name)
    # Who has no such trait is joined with the number 0 and the text ''.
    return (
        "SELECT answered.*, (shown, person_no = 0) AS split"
        f" FROM ({rows}) AS answered LEFT ANY JOIN ({texts}) AS valued"
        " ON answered.person = valued.person_no"
    )


def folded(binder: Binder, kept: Sequence[GroupKey] | None) -> str:
    """The column ``split`` with its place: ``(text, missing, other)``.

    Groups that are not kept become the one other group; None keeps all.
    """
    if kept is None:
        return "(split.1, split.2, false)"
    values = binder.texts([group.value for group in kept if not group.missing])
    has_missing = "split.2" if any(group.missing for group in kept) else "false"
    stays = f"({has_missing} OR (NOT split.2 AND has({values}, split.1)))"
    return f"if({stays}, (split.1, split.2, false), ('', false, true))"


def is_group(binder: Binder, group: GroupKey, kept: Sequence[GroupKey] | None) -> str:
    """Whether the column ``split`` is of a group."""
    if group.other:
        return f"({folded(binder, kept or [])}).3"
    if group.missing:
        return "split.2"
    return f"(NOT split.2 AND split.1 = {binder.text(group.value)})"


def ranked(binder: Binder, breakdown: Breakdown, rows: str, weight: str = "count()") -> Query:
    """The groups of rows with the column ``split``, heaviest first, one more than are kept."""
    return binder.query(
        f"SELECT split FROM ({rows}) GROUP BY split"
        f" ORDER BY {weight} DESC, split.2, split.1 LIMIT {breakdown.limit + 1}"
    )


def placed(binder: Binder, breakdown: Breakdown | None, kept: Sequence[GroupKey] | None) -> str:
    """The column ``place`` of rows that have ``split`` if there is a breakdown."""
    return f"{folded(binder, kept) if breakdown else NOWHERE} AS place"


def in_group(binder: Binder, group: GroupKey | None, kept: Sequence[GroupKey] | None) -> list[str]:
    """The test of a cell's group, none for all of them."""
    return [is_group(binder, group, kept)] if group is not None else []
