"""docs/operations.md: the table of sizes is what its prices say."""

import re

import pytest

from support.tree import ROOT

TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Sizes\n")[2].partition("\n## ")[0]


def rows(columns: int) -> list[list[str]]:
    """The rows of the table with so many columns, without its head."""
    lines = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if len(line) == columns][2:]


def bold(unit: str) -> list[float]:
    """The prices in the text."""
    return [float(value) for value in re.findall(rf"\*\*([0-9.]+) {unit}\*\*", SECTION)]


PRICES, BROKERS = rows(4), rows(8)


def test_every_process_has_a_price() -> None:
    services = {path.parent.name for path in ROOT.glob("services/*/Dockerfile")}
    assert {row[0] for row in PRICES} == services | {"PostgreSQL", "Redis"}
    assert len(BROKERS) == 3


@pytest.mark.parametrize("row", BROKERS, ids=[row[0] for row in BROKERS])
def test_a_broker_costs_what_the_prices_say(row: list[str]) -> None:
    persons, mean, peak, days, cores, engine_gb, databases_gb = map(float, row[1:])
    event_bytes, *person_bytes = bold("bytes")
    assert len(person_bytes) == 2
    used = sum(float(idle) + float(price) * peak / 1000 for _, idle, price, _ in PRICES)
    assert cores == pytest.approx(used, abs=0.06)
    assert engine_gb == pytest.approx(event_bytes * mean * 86_400 * days / 1e9, abs=0.6)
    assert databases_gb == pytest.approx(persons * sum(person_bytes) / 1e9, abs=0.06)
