from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.errors import InvalidInput
from siyu_profile.domain.traits import (
    OperationKind,
    TraitOperation,
    TraitState,
    check_trait,
    fold_traits,
)
from siyu_profile.domain.values import Instant

VALUES = st.one_of(
    st.sampled_from(["a", "b"]),
    st.integers(-5, 5).map(lambda n: Decimal(n) / 2),
    st.booleans(),
    st.integers(0, 9).map(Instant),
    st.lists(st.sampled_from("xyz"), max_size=3, unique=True).map(tuple),
)


@st.composite
def operations(draw):
    made = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(OperationKind))
        value = None if kind is OperationKind.UNSET else draw(VALUES)
        made.append(
            TraitOperation(
                f"o{number:02}", draw(st.integers(1, 3)), draw(st.sampled_from("tu")), kind, value,
                draw(st.integers(0, 4)),
            )
        )  # fmt: skip
    return made


def slow_oracle(history):
    """One trait at a time, one operation at a time, in the order of the rule."""
    values: dict[str, object] = {}
    for op in sorted(history, key=lambda o: (o.event_time_ms, o.operation_id)):
        old = values.get(op.trait)
        if op.kind is OperationKind.SET or (op.kind is OperationKind.SET_ONCE and old is None):
            values[op.trait] = op.value
        elif op.kind is OperationKind.UNSET:
            values.pop(op.trait, None)
        elif op.kind is OperationKind.INCREMENT:
            numbers = type(old) is Decimal and type(op.value) is Decimal
            values[op.trait] = op.value if old is None else old + op.value if numbers else old
        elif op.kind is OperationKind.APPEND:
            items = list(op.value) if isinstance(op.value, tuple) else []
            if old is None:
                values[op.trait] = tuple(items)
            elif isinstance(old, tuple):
                values[op.trait] = old + tuple(item for item in items if item not in old)
    return values


@given(operations())
def test_the_fold_is_what_the_rule_says(history):
    assert {name: state.value for name, state in fold_traits(history).items()} == slow_oracle(
        history
    )


@given(operations(), st.randoms(use_true_random=False))
def test_arrival_order_and_redelivery_change_nothing(history, random):
    shuffled = history + [op for op in history if random.random() < 0.3]
    random.shuffle(shuffled)
    once = {op.operation_id: op for op in shuffled}
    assert fold_traits(once.values()) == fold_traits(history)


@given(operations())
def test_a_split_gives_back_what_was_before_the_merge(history):
    def of(idents):
        return fold_traits(op for op in history if op.ident_no in idents)

    before = of({1}), of({2, 3})
    of({1, 2, 3})
    assert (of({1}), of({2, 3})) == before


def test_sums_are_exact():
    tenths = [
        TraitOperation(str(n), 1, "t", OperationKind.INCREMENT, Decimal("0.1"), n) for n in range(3)
    ]
    assert fold_traits(tenths)["t"] == TraitState(Decimal("0.3"), 2)


def test_stating_the_same_again_does_not_move_the_time():
    twice = [TraitOperation(str(n), 1, "t", OperationKind.SET, "a", n) for n in (5, 9)]
    assert fold_traits(twice)["t"].valid_from_ms == 5


@pytest.mark.parametrize("name", ["", "1a", "a b", "x" * 101, "consent.push.marketing", "rating.x"])
def test_bad_and_reserved_names_are_refused(name):
    with pytest.raises(InvalidInput):
        check_trait(name, "trait")
