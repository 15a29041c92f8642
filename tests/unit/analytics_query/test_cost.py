"""Which statements are heavy, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_analytics.domain.cost import CostBounds
from siyu_kit.errors import QuotaExceeded

ROWS = st.integers(0, 50)


@given(light=ROWS, most=ROWS, rows=ROWS)
def test_only_what_reads_more_than_the_most_is_refused(light, most, rows):
    bounds = CostBounds(light, most)
    if most and rows > most:
        with pytest.raises(QuotaExceeded) as refused:
            bounds.check(rows)
        assert refused.value.reason == "QUERY_TOO_COSTLY"
        assert refused.value.metadata == {"rows": str(rows), "limit": str(most)}
    else:
        bounds.check(rows)


@given(light=ROWS, most=ROWS)
def test_a_statement_of_unknown_cost_gets_no_more_than_either_bound(light, most):
    first = CostBounds(light, most).first_rows
    assert first == min([bound for bound in (light, most) if bound], default=0)


def test_a_negative_bound_is_a_mistake():
    with pytest.raises(ValueError, match="negative"):
        CostBounds(light_rows=-1)
