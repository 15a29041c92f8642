"""The truth's own arithmetic, on cases small enough to be checked by eye or by brute force."""

from datetime import date
from itertools import combinations, pairwise
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_demo.records import Record, Value, Via
from siyu_demo.simulator import Consent, ContactPoint, Quarter, Rating, Reactions, Settings, react
from siyu_demo.truth import (
    BackOffice,
    CampaignRules,
    Candidate,
    Conversion,
    ConversionQuestion,
    FunnelQuestion,
    Happening,
    Ledger,
    People,
    Standing,
    Verdict,
    compare,
    decide,
    fold_traits,
    funnel,
    holdout_bucket,
    is_held_out,
)
from siyu_demo.truth.intervals import wilson

LETTERS = "ABC"
Told = list[tuple[str, int]]


def event(name: str, time: int, **properties: Value) -> Record:
    return Record(
        f"{name}{time}", "track", {"customer_no": "c"}, name, time, properties, False, Via.GRPC
    )


def depth(told: Told, window: int, strict: bool) -> int:
    ledger = Ledger(kept=frozenset(LETTERS))
    ledger.add(event(name, time) for name, time in told)
    steps = tuple(map(Happening, LETTERS))
    question = FunnelQuestion(steps, 0, 20, window, strict=strict)
    return sum(funnel(question, ledger, People(ledger)).counts)


def deepest(told: Told, window: int, strict: bool) -> int:
    """Every choice of events is tried."""

    def works(chosen: tuple[tuple[str, int], ...]) -> bool:
        times = [time for _, time in chosen]
        names = "".join(name for name, _ in chosen)
        return (
            LETTERS.startswith(names)
            and all(one < other for one, other in pairwise(times))
            and times[0] < 20
            and times[-1] - times[0] <= window
            and not (strict and any(disturbed(one, other) for one, other in pairwise(times)))
        )

    def disturbed(one: int, other: int) -> bool:
        return any(one < time < other for _, time in told)

    ordered = sorted(told, key=lambda pair: pair[1])
    return max(
        (n for n in (1, 2, 3) for chosen in combinations(ordered, n) if works(chosen)), default=0
    )


@given(
    told=st.lists(st.tuples(st.sampled_from(LETTERS), st.integers(0, 30)), max_size=7, unique=True),
    window=st.integers(1, 15),
    strict=st.booleans(),
)
def test_a_funnel_finds_the_deepest_path(told: Told, window: int, strict: bool) -> None:
    assert depth(told, window, strict) == deepest(told, window, strict)


def test_a_step_at_the_same_millisecond_does_not_count() -> None:
    assert depth([("A", 5), ("B", 5)], 10, False) == 1
    assert depth([("A", 5), ("B", 6), ("C", 15)], 10, False) == 3
    assert depth([("A", 5), ("B", 6), ("C", 16)], 10, False) == 2


@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_phi_is_the_correlation(cells: tuple[int, int, int, int]) -> None:
    tp, fp, fn, tn = cells
    often = [1] * (tp + fp) + [0] * (fn + tn)
    converted = [1] * tp + [0] * fp + [1] * fn + [0] * tn
    expected = correlation(often, converted)
    assert isclose(Candidate(1, tp, fp, fn, tn).phi, expected, abs_tol=1e-9)


def correlation(one: list[int], other: list[int]) -> float:
    if len(set(one)) < 2 or len(set(other)) < 2:
        return 0.0
    a, b = sum(one) / len(one), sum(other) / len(other)
    both = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    spread = sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other)
    return float(both / spread**0.5)


@pytest.mark.parametrize(
    ("seed", "planted", "end"),
    [
        (1, 5, date(2026, 9, 30)),
        (2, 6, date(2026, 9, 30)),
        (3, 7, date(2027, 1, 2)),
        (20_260_930, 6, date(2026, 9, 30)),
        (20_260_930, 6, date(2026, 11, 22)),
    ],
)
def test_the_planted_turning_point_is_found(seed: int, planted: int, end: date) -> None:
    quarter = Quarter(Settings(seed=seed, customers=3_000, turning_point=planted, end=end))
    ledger = Ledger()
    ledger.add(quarter.history())
    ledger.add(quarter.live())
    start = Happening("deposit", (("is_first", True),))
    span = quarter.settings.start_ms, quarter.settings.end_ms
    question = ConversionQuestion(start, Happening("trade"), Happening("news_view"), *span)
    answer = Conversion(question, ledger, People(ledger))
    assert answer.turning_point().k == planted
    few, some, many = (bucket.rate for bucket in answer.buckets([3, planted]))
    assert few.high < some.value < many.low


def test_traits_fold_over_all_identifiers_by_time_then_message_id() -> None:
    def change(kind: str, time: int, message: str, **properties: Value) -> Record:
        ids = {"device_id": "d"} if message.startswith("d") else {"customer_no": "c"}
        return Record(message, f"profile_{kind}", ids, "", time, properties, False, Via.GRPC)

    both = {"customer_no": "c", "device_id": "d"}
    ledger = Ledger()
    ledger.add(
        [
            Record("l", "track", both, "login", 1, {}, True, Via.GRPC),
            change("set", 5, "m2", city="北京"),
            change("set", 5, "m1", city="上海"),
            change("set_once", 4, "m3", first="late"),
            change("set_once", 3, "d1", first="early"),
            change("increment", 6, "m4", points=2),
            change("increment", 7, "d2", points=0.5),
            change("append", 8, "m5", tags=["b", "a"]),
            change("append", 9, "d3", tags=["a", "c"]),
            change("set", 2, "m6", gone="x"),
            change("unset", 9, "m7", gone=True),
        ]
    )
    assert fold_traits(ledger, People(ledger)) == {
        ("customer_no", "c"): {
            "city": "北京",
            "first": "early",
            "points": 2.5,
            "tags": ["b", "a", "c"],
        }
    }


NOON = 1_782_878_400_000  # 2026-07-01 12:00 in Shanghai
GOOD = Standing(consent=True, level="C3", expires=NOON + 1, address="a")


@pytest.mark.parametrize(
    ("standing", "verdict"),
    [
        (GOOD, Verdict.SEND),
        (Standing(None, "C3", NOON + 1, "a"), Verdict.NO_CONSENT),
        (Standing(False, None, 0, None), Verdict.CONSENT_WITHDRAWN),
        (Standing(True, None, 0, None), Verdict.NOT_ASSESSED),
        (Standing(True, "C5", NOON, "a"), Verdict.RATING_EXPIRED),
        (Standing(True, "C2", NOON + 1, None), Verdict.ABOVE_LEVEL),
        (Standing(True, "C3", NOON + 1, None), Verdict.NO_ADDRESS),
    ],
)
def test_the_first_gate_that_holds_decides(standing: Standing, verdict: Verdict) -> None:
    assert decide(CampaignRules(product_risk=3), standing, NOON) is verdict


@pytest.mark.parametrize("level", range(1, 6))
def test_a_customer_may_be_offered_what_suits(level: int) -> None:
    standing = Standing(True, f"C{level}", NOON + 1, "a")
    allowed = [
        risk for risk in range(1, 6) if decide(CampaignRules(risk), standing, NOON) is Verdict.SEND
    ]
    assert allowed == list(range(1, level + 1))


@pytest.mark.parametrize(
    ("quiet", "held"),
    [
        ((720, 721), True),
        ((719, 720), False),
        ((1260, 540), False),
        ((720, 60), True),
        (None, False),
    ],
)
def test_quiet_hours_by_shanghais_clock(quiet: tuple[int, int] | None, held: bool) -> None:
    verdict = decide(CampaignRules(3, quiet_minutes=quiet), GOOD, NOON)
    assert (verdict is Verdict.QUIET_HOURS) == held
    assert verdict.gate == ("quiet_hours" if held else "")


def test_the_cap_counts_what_was_sent_before() -> None:
    rules = CampaignRules(3, cap=2)
    verdicts = [decide(rules, GOOD, NOON, sent_before=sent) for sent in range(4)]
    assert verdicts == [Verdict.SEND, Verdict.SEND, Verdict.FREQUENCY, Verdict.FREQUENCY]


def test_the_back_office_knows_what_held_when() -> None:
    office = BackOffice(
        [
            Consent("1", "c", "push", "marketing", True, 10),
            Consent("2", "c", "push", "marketing", False, 20),
            Consent("3", "c", "push", "marketing", True, 20),
        ],
        [Rating("1", "c", "C2", 5, 100), Rating("2", "c", "C4", 15, 110)],
        [ContactPoint("1", "c", "push_token", "t1", 12)],
    )

    def at(time: int) -> Standing:
        return office.standing("c", "push", "marketing", time)

    assert at(4) == Standing(None, None, 0, None)
    assert at(11) == Standing(True, "C2", 100, None)
    assert at(25) == Standing(False, "C4", 110, "t1")
    assert office.standing("c", "in_app", "marketing", 25).address == "c"


def test_the_hold_out_is_a_steady_fifth() -> None:
    people = [f"{number:032x}" for number in range(5_000)]
    held = {person for person in people if is_held_out("s", "e", person, 2_000)}
    assert 900 < len(held) < 1_100
    assert held == {person for person in people if is_held_out("s", "e", person, 2_000)}
    assert held != {person for person in people if is_held_out("s", "other", person, 2_000)}
    assert not any(is_held_out("s", "e", person, 0) for person in people)
    assert all(0 <= holdout_bucket("s", "e", person) < 10_000 for person in people[:100])


def group(name: str, size: int) -> set[tuple[str, str]]:
    return {("customer_no", f"{name}{number}") for number in range(size)}


def test_the_effect_of_the_white_paper() -> None:
    """60 of 400 touched against 8 of 100 held out: 7 points more, and no significant difference."""
    effect = compare(group("t", 400), group("h", 100), group("t", 60) | group("h", 8))
    assert round(effect.uplift.value, 3) == 0.07
    assert effect.uplift.low < 0 < effect.uplift.high
    assert effect.verdict == "no significant difference"
    clear = compare(group("t", 400), group("h", 100), group("t", 120) | group("h", 8))
    assert clear.significant
    assert clear.verdict == "touched customers convert more"


def test_newcombes_own_example() -> None:
    """Newcombe 1998, table II, method 10: 56/70 less 48/80 is 0.2000 with 0.0524 to 0.3339."""
    effect = compare(group("t", 70), group("h", 80), group("t", 56) | group("h", 48))
    assert [round(number, 4) for number in effect.uplift] == [0.2, 0.0524, 0.3339]


def test_wilson_without_trials_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


def test_customers_react_the_same_way_each_time() -> None:
    customers = [f"{number:010d}" for number in range(2_000)]
    reactions = Reactions(seed=7, start_ms=1_000, end_ms=61_000)
    once = sorted(react(reactions, customers, []))
    assert once == sorted(react(reactions, reversed(customers), []))
    traded = {r.ids["customer_no"] for r in once if r.event == "trade"}
    idle = {r.ids["customer_no"] for r in react(reactions, [], customers) if r.event == "trade"}
    assert idle < traded
    assert 0.2 < len(traded) / len(customers) < 0.28
    assert 0.06 < len(idle) / len(customers) < 0.12
    assert all(1_000 <= record.time < 61_000 for record in once)
    assert len({record.message_id for record in once}) == len(once)
