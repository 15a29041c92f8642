"""Random evidence in which everything happens: shared devices, conflicts, unlinks, repetitions."""

import random
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from siyu_identity.domain.evidence import Identifier, link, star, unlink
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.presets import BROKER, PRESETS
from support.identity_model import Statement

POOL = {
    "customer_no": 6, "id_doc": 3, "fund_account": 4, "mobile": 4,
    "unionid": 3, "openid": 3, "device_id": 5, "anonymous_id": 6,
}  # fmt: skip

IDENTIFIERS = [
    Identifier(kind, f"+861390000{index:04d}" if kind == "mobile" else f"{kind}-{index}")
    for kind, size in POOL.items()
    for index in range(size)
]

TIMES = range(1_000, 1_012)

CASES = pytest.mark.parametrize(
    "cases",
    [
        pytest.param(20, id="few"),
        pytest.param(2_000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(3_600)]),
    ],
)
"""How many generated cases: few in every run of the tests, many in the slow tier."""

SQL_CASES = pytest.mark.parametrize(
    "cases",
    [
        pytest.param(3, id="few"),
        pytest.param(2_000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(7_200)]),
    ],
)
"""The same where each case is written to a database."""


@st.composite
def policies(draw: st.DrawFn) -> IdTypePolicy:
    """Policies whose limits a small pool of identifiers can reach."""
    base = draw(st.sampled_from([BROKER, BROKER, *PRESETS.values()]))
    largest = draw(st.sampled_from((3, 5, 200)))
    types = {
        name: rule._replace(
            most=1 if rule.owner else draw(st.integers(1, 4)),
            shared_by=0 if rule.owner else draw(st.integers(0, 3)),
        )
        for name, rule in base.types.items()
    }
    blocked = draw(
        st.sets(st.sampled_from([(item.type, item.value) for item in IDENTIFIERS]), max_size=2)
    )
    return replace(
        base,
        types=types,
        max_person=largest,
        max_neighbours=largest + draw(st.integers(0, 2)),
        blocked=frozenset(blocked),
    )


FENCES = st.sets(st.frozensets(st.sampled_from(IDENTIFIERS), min_size=2, max_size=2), max_size=3)
"""Pairs that must not be on one person."""


@st.composite
def statements(draw: st.DrawFn, most: int = 40) -> list[Statement]:
    """Statements over a small pool, so that they meet."""
    found: list[Statement] = []
    for _ in range(draw(st.integers(0, most))):
        identifiers = draw(st.lists(st.sampled_from(IDENTIFIERS), min_size=2, max_size=3))
        time_ms = draw(st.sampled_from(TIMES))
        if draw(st.integers(0, 5)) == 0:
            edge = unlink(time_ms)
        else:
            edge = link(draw(st.sampled_from((2, 3, 5))), time_ms)
        found.extend((left, right, edge) for left, right in star(identifiers))
    return found


def random_statements(seed: int, count: int, people: int) -> list[Statement]:
    """A larger history: every person has some identifiers, some devices are shared."""
    rng = random.Random(seed)
    found: list[Statement] = []
    for _ in range(count):
        person = rng.randrange(people)
        identifiers = [Identifier("customer_no", f"c{person}")]
        if rng.random() < 0.3:
            identifiers = [Identifier("mobile", f"+86139{person // 2:08d}")]
        device = rng.randrange(people) // 3 if rng.random() < 0.3 else person
        identifiers.append(Identifier("device_id", f"d{device}-{rng.randrange(2)}"))
        if rng.random() < 0.5:
            identifiers.append(Identifier("anonymous_id", f"a{person}-{rng.randrange(3)}"))
        time_ms = 1_000 + rng.randrange(1_000)
        cut = rng.random() < 0.1
        edge = unlink(time_ms) if cut else link(rng.choice((2, 3, 5)), time_ms)
        found.extend((left, right, edge) for left, right in star(identifiers))
    return found
