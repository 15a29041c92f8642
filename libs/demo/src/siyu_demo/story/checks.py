"""Every number that the story shows is compared with the truth here, and nowhere else."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import isclose
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.table import Table

_EXAMPLES = 3


def plain(value: Any) -> str:
    """A value as a report shows it: thousands apart, sets by their size."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, set | frozenset):
        return plain(len(value))
    return "-" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Pair:
    """One value as the platform says it and as it must be. Sets are compared member by member."""

    platform: Any
    truth: Any
    show: Callable[[Any], str] = plain

    @property
    def same(self) -> bool:
        """Whether they agree; floats may differ in their last digits."""
        if isinstance(self.platform, float) and isinstance(self.truth, float):
            return isclose(self.platform, self.truth, rel_tol=1e-9, abs_tol=1e-9)
        return bool(self.platform == self.truth)

    def difference(self) -> str:
        """The difference in words."""
        platform, truth = self.show(self.platform), self.show(self.truth)
        if platform == truth:  # shown alike, as rounded numbers are
            platform, truth = f"{platform} ({self.platform})", f"{truth} ({self.truth})"
        text = f"platform {platform}, truth {truth}"
        if isinstance(self.platform, set | frozenset) and isinstance(self.truth, set | frozenset):
            text = f"platform {plain(self.platform)}, truth {plain(self.truth)}"
            text += _members("too many", self.platform - self.truth)
            text += _members("missing", self.truth - self.platform)
        return text


def _members(what: str, members: Collection[Any]) -> str:
    if not members:
        return ""
    examples = ", ".join(sorted(map(str, members))[:_EXAMPLES])
    return f"; {len(members)} {what}, such as {examples}"


@dataclass(slots=True)
class Comparison:
    """Prints the tables of the story and remembers every difference."""

    console: Console
    compared: int = 0
    differences: list[str] = field(default_factory=list)

    def table(self, title: str, *columns: str) -> "ComparedTable":
        """A table to fill in a ``with`` block; without columns, each row has one value."""
        return ComparedTable(self, title, columns)

    def check(self, what: str, pair: Pair) -> bool:
        """Compare one value that a table shows."""
        self.compared += 1
        if not pair.same:
            self.differences.append(f"{what}: {pair.difference()}")
        return pair.same

    def conclude(self) -> bool:
        """Print the result; whether there was no difference."""
        if not self.differences:
            self.console.print(
                f"[bold green]{self.compared} numbers compared with the ground truth:"
                " no difference[/]"
            )
            return True
        self.console.print(
            f"[bold red]{len(self.differences)} of {self.compared} numbers are DIFFERENT"
            " from the ground truth:[/]"
        )
        for difference in self.differences:
            self.console.print(f"  [red]DIFFERENT[/] {difference}", highlight=False, markup=True)
        return False


class ComparedTable:
    """Rows of pairs: ``platform | truth``, and at the end ``ok`` or ``DIFFERENT``."""

    def __init__(self, checks: Comparison, title: str, columns: tuple[str, ...]) -> None:
        self._checks = checks
        self._title = title
        self._columns = columns
        self._table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        self._table.add_column("")
        for column in columns or ("platform", "truth"):
            self._table.add_column(column, justify="right")
        self._table.add_column("")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._table.row_count:
            legend = "  [dim]platform | truth[/]" if self._columns else ""
            self._checks.console.print(f"\n[bold]{self._title}[/]{legend}", highlight=False)
            self._checks.console.print(self._table)

    def row(self, name: str, *pairs: Pair | None) -> None:
        """One row: a pair for each column, None where there is nothing to say."""
        columns = self._columns or ("",)
        same = True
        for column, pair in zip(columns, pairs, strict=True):
            if pair is not None:
                what = ", ".join(part for part in (self._title, name, column) if part)
                same &= self._checks.check(what, pair)
        cells = [self._cell(pair) for pair in pairs]
        shown = [cell for texts in cells for cell in texts]
        self._table.add_row(name, *shown, "[green]ok[/]" if same else "[bold red]DIFFERENT[/]")

    def _cell(self, pair: Pair | None) -> list[str]:
        if pair is None:
            return [""] if self._columns else ["", ""]
        platform, truth = pair.show(pair.platform), pair.show(pair.truth)
        if not pair.same:
            platform, truth = f"[red]{platform}[/]", f"[red]{truth}[/]"
        return [f"{platform} | {truth}"] if self._columns else [platform, truth]
