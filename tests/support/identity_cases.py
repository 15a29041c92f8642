"""Random evidence in which everything happens: shared devices, conflicts, unlinks, repetitions."""

import random

from hypothesis import strategies as st

from siyu_identity.domain.evidence import Identifier, link, star, unlink
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
