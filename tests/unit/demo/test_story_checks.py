"""The comparison prints both sides and remembers what differs."""

import io

from rich.console import Console

from siyu_demo.story.checks import Comparison, Pair


def comparison() -> tuple[Comparison, io.StringIO]:
    out = io.StringIO()
    return Comparison(Console(file=out, width=120)), out


def test_equal_numbers_are_ok() -> None:
    checks, out = comparison()
    with checks.table("Persons") as table:
        table.row("all", Pair(12_345, 12_345))
    assert "12 345" in out.getvalue()
    assert "ok" in out.getvalue()
    assert checks.conclude()


def test_a_difference_is_printed_and_named() -> None:
    checks, out = comparison()
    with checks.table("Persons") as table:
        table.row("all", Pair(3, 4))
    assert "DIFFERENT" in out.getvalue()
    assert not checks.conclude()
    assert checks.differences == ["Persons, all: platform 3, truth 4"]


def test_a_table_of_columns_names_the_cell() -> None:
    checks, out = comparison()
    with checks.table("Steps", "first", "second") as table:
        table.row("everybody", Pair(5, 5), Pair(2, 3))
        table.row("nobody", Pair(0, 0), None)
    assert "5 | 5" in out.getvalue()
    assert checks.differences == ["Steps, everybody, second: platform 2, truth 3"]
    assert checks.compared == 3


def test_sets_are_compared_member_by_member() -> None:
    checks, _ = comparison()
    with checks.table("People") as table:
        table.row("listed", Pair({1, 2, 9}, {1, 2, 3}))
    (difference,) = checks.differences
    assert "platform 3, truth 3" in difference
    assert "1 too many, such as 9" in difference
    assert "1 missing, such as 3" in difference


def test_floats_may_differ_in_their_last_digits_only() -> None:
    assert Pair(0.1 + 0.2, 0.3).same
    assert not Pair(0.3001, 0.3).same
    assert not Pair(None, 0.3).same
