import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from siyu_identity.domain.evidence import NEVER, NOTHING, Edge, Identifier, link, star, unlink
from siyu_identity.domain.presets import BROKER
from siyu_kit.identifiers import MAX_PER_PERSON
from support.identity_cases import IDENTIFIERS, statements
from support.identity_model import joined, plain_key, reference

C1, C2, C3, C4 = (Identifier("customer_no", f"c{n}") for n in range(1, 5))
DEVICE = Identifier("device_id", "d")
COOKIE = Identifier("anonymous_id", "a")

edges = st.builds(
    Edge,
    st.integers(1, 9),
    st.integers(0, 5),
    st.integers(-1, 5),
    st.integers(-1, 5),
)


@given(edges, edges, edges)
def test_the_join_is_commutative_associative_and_idempotent(a, b, c):
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(NOTHING) == a


@given(edges, edges)
def test_what_adds_nothing_changes_nothing(known, said):
    assert said.adds_to(known) == (known.join(said) != known)


@given(statements(), st.randoms(use_true_random=False))
def test_order_repetition_and_numbering_make_no_difference(said, rng):
    shuffled = said + rng.sample(said, len(said) // 2)
    rng.shuffle(shuffled)
    other = reference(shuffled, numbering=plain_key)
    assert other == reference(said)


@given(statements())
def test_no_person_holds_more_than_the_policy_allows(said):
    persons: dict[Identifier, Counter[str]] = {}
    for name, anchor in reference(said).anchors.items():
        persons.setdefault(anchor, Counter())[name.type] += 1
    assert all(BROKER.too_many(types) is None for types in persons.values())
    assert all(types["customer_no"] <= MAX_PER_PERSON["customer_no"] for types in persons.values())


@given(statements())
def test_a_person_is_named_after_its_best_member(said):
    from siyu_kit.identifiers import RANKS

    anchors = reference(said).anchors
    for name, anchor in anchors.items():
        assert anchors[anchor] == anchor
        assert RANKS[anchor.type] <= RANKS[name.type]


@given(statements(20), st.sampled_from(IDENTIFIERS), st.sampled_from(IDENTIFIERS))
def test_link_then_unlink_is_never_linked(said, left, right):
    if left == right or any({left, right} == {a, b} for a, b, _ in said):
        return
    tied = [*said, (left, right, link(1, 1_000)), (left, right, unlink(2_000))]
    with_both = [*said, (left, right, unlink(2_000))]
    assert reference(tied) == reference(with_both)
    before, after = reference(said), reference(tied)
    assert {n: a for n, a in after.anchors.items() if n in before.anchors} == before.anchors
    assert after.conflicts == before.conflicts
    assert after.quarantined == before.quarantined


@given(statements(20), statements(20))
def test_evidence_changes_nobody_it_does_not_hang_together_with(said, more):
    moved = [
        (Identifier(a.type, a.value + "9"), Identifier(b.type, b.value + "9"), edge)
        for a, b, edge in more
    ]
    alone, together = reference(said), reference(said + moved)
    assert {n: a for n, a in together.anchors.items() if n in alone.anchors} == alone.anchors


def test_the_first_proven_customer_keeps_the_device():
    said = [
        (C1, DEVICE, link(5, 10)),
        (C2, DEVICE, link(3, 30)),
        (C3, DEVICE, link(3, 20)),
        (DEVICE, COOKIE, link(5, 5)),
    ]
    result = reference(said)
    assert result.anchors == {C1: C1, C2: C2, C3: C3, DEVICE: C3, COOKIE: C3}
    assert result.conflicts == {frozenset((C1, DEVICE)), frozenset((C2, DEVICE))}


def test_a_device_of_too_many_customers_stands_for_itself():
    said = [(c, DEVICE, link(3, n)) for n, c in enumerate((C1, C2, C3, C4))]
    said.append((DEVICE, COOKIE, link(5, 1)))
    result = reference(said)
    assert result.quarantined == {DEVICE}
    assert all(name == anchor for name, anchor in result.anchors.items())
    freed = reference([*said, (C4, DEVICE, unlink(100))])
    assert freed.quarantined == frozenset()
    assert freed.anchors[COOKIE] == C1


def test_an_unlink_wins_a_tie_and_a_later_link_wins_again():
    cut = [(C1, DEVICE, link(3, 10)), (C1, DEVICE, unlink(10))]
    assert reference(cut).anchors[DEVICE] == DEVICE
    assert reference([*cut, (C1, DEVICE, link(5, 11))]).anchors[DEVICE] == C1


def test_the_star_is_the_same_in_any_order_and_leaves_placeholders_out():
    junk = Identifier("device_id", "00000000-0000-0000-0000-000000000000")
    identifiers = [COOKIE, C1, DEVICE, junk, C1]
    expected = [(C1, DEVICE), (C1, COOKIE)]
    for seed in range(10):
        random.Random(seed).shuffle(identifiers)
        assert star(identifiers) == expected
    assert star([C1, junk]) == []


def test_the_time_grain_only_hides_newer_versions_of_pairs_never_unlinked():
    known = link(5, 1_000)
    assert not link(5, 1_900).adds_to(known, grain_ms=1_000)
    assert link(5, 2_000).adds_to(known, grain_ms=1_000)
    assert link(5, 1_900).adds_to(known)
    assert link(3, 1_900).adds_to(known, grain_ms=1_000)
    assert link(5, 900).adds_to(known, grain_ms=1_000)
    assert link(5, 1_900).adds_to(known.join(unlink(1_500)), grain_ms=1_000)
    assert link(5, 1_900).adds_to(unlink(1_500), grain_ms=1_000)
    assert known.unlinked_ms == NEVER


@settings(max_examples=50)
@given(statements())
def test_joining_evidence_in_parts_is_joining_it_at_once(said):
    half = len(said) // 2
    first, second = joined(said[:half]), joined(said[half:])
    both = dict(first)
    for pair, edge in second.items():
        both[pair] = both.get(pair, NOTHING).join(edge)
    assert both == joined(said)
