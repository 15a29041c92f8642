"""The truth gives the white paper's own answers to the white paper's own examples."""

from statistics import median

import pytest

from siyu_demo.fixtures import SEQUENCES, FxM1, FxO1, Sequence, fx_m1, fx_o1, sequence_records
from siyu_demo.fixtures.sequences import WINDOW_MS
from siyu_demo.records import Record
from siyu_demo.simulator.settings import DAY_MS, MINUTE_MS
from siyu_demo.simulator.vocabulary import OPEN_STEPS
from siyu_demo.truth import (
    Conversion,
    ConversionQuestion,
    Funnel,
    FunnelQuestion,
    Happening,
    Ledger,
    People,
    few_views_no_trade,
    funnel,
)

NINE_MS = 1_782_868_400_000
OFFSETS = [NINE_MS, NINE_MS + 17 * DAY_MS + 1, NINE_MS + 23 * 3_600_000]
STEPS = tuple(Happening("open_step", (("step", step),)) for step in OPEN_STEPS)


def told(records: list[Record], kept: frozenset[str] | None = None) -> tuple[Ledger, People]:
    ledger = Ledger() if kept is None else Ledger(kept=kept)
    ledger.add(records)
    return ledger, People(ledger)


def opening(start: int, split_by: str | None = None) -> Funnel:
    ledger, people = told(fx_o1(start))
    return funnel(
        FunnelQuestion(STEPS, start, start + DAY_MS, 7 * DAY_MS, split_by=split_by), ledger, people
    )


@pytest.mark.parametrize("start", OFFSETS)
def test_opening_funnel(start: int) -> None:
    answer = opening(start)
    assert answer.counts == FxO1.REACHED
    assert [len(answer.lost(step)) for step in range(3)] == FxO1.LOST
    medians = answer.medians_ms[1:]
    assert [m / MINUTE_MS for m in medians if m is not None] == FxO1.MEDIAN_MINUTES
    lost = [{value[-2:] for _, value in answer.lost(step)} for step in range(3)]
    assert lost == FxO1.LOST_PEOPLE


@pytest.mark.parametrize("flag", FxO1.GROUPS)
def test_opening_funnel_by_flag(flag: str) -> None:
    answer = opening(NINE_MS, flag)
    assert {value: group.counts for value, group in answer.groups.items()} == FxO1.GROUPS[flag]


@pytest.mark.parametrize("start", OFFSETS)
def test_magic_number(start: int) -> None:
    ledger, people = told(fx_m1(start))
    end = start + 20 * DAY_MS
    question = ConversionQuestion(
        Happening("deposit"), Happening("trade"), Happening("news_view"), start, end
    )
    answer = Conversion(question, ledger, people)

    assert len(answer.shown) == FxM1.PERSONS
    assert len(answer.converted) == FxM1.CONVERTED
    assert [round(c.phi, 4) for c in answer.candidates(9)] == FxM1.PHI
    turning = answer.turning_point()
    assert turning.k == FxM1.TURNING_POINT
    assert turning[1:] == FxM1.CONTINGENCY
    buckets = answer.buckets([3, 6])
    assert [(len(b.converted), len(b.persons)) for b in buckets] == FxM1.BUCKETS
    assert round(buckets[2].rate.low, 3) == 0.495
    assert round(buckets[2].rate.high, 3) == 0.779

    deposit = Happening("deposit", (("is_first", True),))
    sizes = [
        len(few_views_no_trade(deposit, below, start, end, ledger, people, at_least))
        for below, at_least in ((6, 0), (5, 0), (5, 1))
    ]
    assert sizes == [
        FxM1.AUDIENCE_BELOW_TURNING_POINT,
        FxM1.AUDIENCE_UP_TO_FOUR,
        FxM1.AUDIENCE_ONE_TO_FOUR,
    ]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.name)
@pytest.mark.parametrize("strict", [True, False])
def test_orders_of_events(sequence: Sequence, strict: bool) -> None:
    kept = frozenset(f"step_{letter}" for letter in "ABCDEFGH")
    ledger, people = told(sequence_records(sequence, NINE_MS, "p1"), kept)
    steps = tuple(Happening(f"step_{letter}") for letter in sequence.steps)
    question = FunnelQuestion(
        steps, NINE_MS, NINE_MS + DAY_MS, WINDOW_MS, strict=strict, split_by="os"
    )
    answer = funnel(question, ledger, people)
    depth = sum(answer.counts)
    assert depth == (sequence.strict if strict else sequence.sequential)


def test_daily_rates_and_the_total_differ() -> None:
    """Ark's question 4.3: 75 % on each of three days, yet 50 % of the persons overall."""
    kept = frozenset({"start", "goal"})
    days = [("abcd", "bcd"), ("bcde", "bcd"), ("bcdf", "bcd")]
    base = sequence_records(SEQUENCES[0], NINE_MS, "p")[0]
    records = []
    for day, (starts, goals) in enumerate(days):
        for person in starts:
            time = NINE_MS + day * DAY_MS
            ids = {"customer_no": person}
            records.append(base._replace(ids=ids, event="start", time=time))
            if person in goals:
                records.append(base._replace(ids=ids, event="goal", time=time + 1))
    ledger, people = told(records, kept)
    steps = (Happening("start"), Happening("goal"))

    def counts(first_day: int, last_day: int) -> list[int]:
        from_ms, to_ms = NINE_MS + first_day * DAY_MS, NINE_MS + (last_day + 1) * DAY_MS
        question = FunnelQuestion(steps, from_ms, to_ms, DAY_MS // 2)
        return funnel(question, ledger, people).counts

    assert [counts(day, day) for day in range(3)] == [[4, 3], [4, 3], [4, 3]]
    assert counts(0, 2) == [6, 3]


def test_median_of_an_even_number_lies_between() -> None:
    assert median([4, 5]) == 4.5
