"""All links at once come to what links one by one do."""

import random
import time
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu_identity.domain import hanging as module
from siyu_identity.domain.forest import Forest
from siyu_identity.domain.hanging import hanging
from support.identity_cases import CASES

PAIRS = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60)


def found(size, pairs, rounds, at_once=1 << 17):
    lefts, rights = (np.array([pair[end] for pair in pairs], np.int32) for end in (0, 1))
    with patch.object(module, "_ROUNDS", rounds), patch.object(module, "_AT_ONCE", at_once):
        return hanging(size, lefts, rights).tolist()


def expected(size, pairs):
    forest = Forest(range(size))
    for left, right in pairs:
        forest.union(left, right)
    return {no: group[0] for group in forest.groups() for no in group}


@CASES
def test_the_smallest_of_everything_that_hangs_together(cases):
    @settings(max_examples=cases)
    @given(PAIRS, st.sampled_from([0, 1, 2, 8]), st.sampled_from([1, 3, 7, 100]))
    def holds(pairs, rounds, at_once):
        assert dict(enumerate(found(30, pairs, rounds, at_once))) == expected(30, pairs)

    holds()


@pytest.mark.parametrize("shape", ["chain", "shuffled chain", "star", "comb", "binary"])
def test_awkward_shapes(shape):
    size = 20_000
    numbers = list(range(size))
    pairs = {
        "chain": list(pairwise(numbers)),
        "star": [(size - 1, no) for no in numbers[:-1]],
        "comb": [(no, no + size // 2) for no in range(size // 2)]
        + [(no, no + 1) for no in range(size // 2, size - 1)],
        "binary": [(no, (no - 1) // 2) for no in numbers[1:]],
    }
    if shape == "shuffled chain":
        random.Random(1).shuffle(numbers)
        pairs[shape] = list(pairwise(numbers))
    assert set(found(size, pairs[shape], 8)) == {0}
    assert set(found(size, pairs[shape], 8, at_once=1_000)) == {0}


def test_a_long_chain_does_not_cost_its_square():
    def seconds(size):
        chain = np.arange(size, dtype=np.int32)
        started = time.process_time()
        assert not hanging(size, chain[1:], chain[:-1]).any()
        return time.process_time() - started

    seconds(1_000)
    # Sixteen times as long: a square would be 256 times as much.
    assert seconds(800_000) < 60 * max(seconds(50_000), 0.005)
