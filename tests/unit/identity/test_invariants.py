"""What holds whatever is said, in whatever order: the numbers are those of the design."""

import asyncio
from collections import Counter, defaultdict
from unittest.mock import patch

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from siyu_identity.app.weave import weave
from siyu_identity.domain import grouping
from siyu_identity.domain.evidence import NOTHING, Identifier, link, unlink
from support.identity_cases import CASES, FENCES, IDENTIFIERS, policies, statements
from support.identity_memory import MemoryGraph
from support.identity_model import plain_key, reference

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=5)
RANDOM = st.randoms(use_true_random=False)


def woven(said, policy, sizes=(1,), graph=None):
    graph = graph or MemoryGraph(policy)
    start = 0
    while start < len(said):
        for size in sizes:
            batch = {}
            for left, right, edge in said[start : start + size]:
                batch[left, right] = batch.get((left, right), NOTHING).join(edge)
            if batch:
                asyncio.run(weave(graph, batch))
            start += size
    return graph


@CASES
def test_i1_any_order_gives_the_same_persons_ids_and_conflicts(cases):
    @settings(max_examples=cases)
    @given(statements(), policies(), FENCES, RANDOM)
    def holds(said, policy, fences, rng):
        shuffled = said + rng.sample(said, len(said) // 2)
        rng.shuffle(shuffled)
        other = reference(shuffled, numbering=plain_key, policy=policy, apart=fences)
        assert other == reference(said, policy=policy, apart=fences)

    holds()


@CASES
def test_i2_what_is_said_again_changes_nothing_and_tells_nobody(cases):
    @settings(max_examples=cases)
    @given(statements(25), policies(), SIZES)
    def holds(said, policy, sizes):
        graph = woven(said, policy, sizes)
        before, told = graph.state(), len(graph.feed)
        woven(said, policy, sizes, graph)
        assert (graph.state(), len(graph.feed)) == (before, told)

    holds()


@CASES
def test_i3_no_person_holds_more_of_a_type_than_it_may(cases):
    @settings(max_examples=cases)
    @given(statements(), policies())
    def holds(said, policy):
        held = defaultdict(Counter)
        for name, anchor in reference(said, policy=policy).anchors.items():
            held[anchor][name.type] += 1
        for types in held.values():
            assert policy.too_many(types) is None or sum(types.values()) == 1

    holds()


@CASES
def test_i4_an_owner_is_on_one_person_and_no_person_has_two(cases):
    @settings(max_examples=cases)
    @given(statements(), policies(), FENCES)
    def holds(said, policy, fences):
        result = reference(said, policy=policy, apart=fences)
        owners = Counter(
            (anchor, name.type)
            for name, anchor in result.anchors.items()
            if policy.is_owner(name.type)
        )
        assert all(count == 1 for count in owners.values())
        for left, right in map(tuple, fences):
            together = result.anchors.get(left) == result.anchors.get(right, "nobody")
            assert not together

    holds()


@CASES
def test_i5_a_person_is_named_after_one_of_its_members(cases):
    @settings(max_examples=cases)
    @given(statements(), policies())
    def holds(said, policy):
        anchors = reference(said, policy=policy).anchors
        for name, anchor in anchors.items():
            assert anchors[anchor] == anchor
            assert policy.rule(anchor.type).rank <= policy.rule(name.type).rank

    holds()


@CASES
def test_i6_evidence_moves_nobody_it_does_not_hang_together_with(cases):
    @settings(max_examples=cases)
    @given(statements(20), statements(20), policies())
    def holds(said, more, policy):
        moved = [
            (Identifier(a.type, a.value + "9"), Identifier(b.type, b.value + "9"), edge)
            for a, b, edge in more
        ]
        alone = reference(said, policy=policy)
        together = reference(said + moved, policy=policy)
        assert {n: a for n, a in together.anchors.items() if n in alone.anchors} == alone.anchors

    holds()


@CASES
def test_i7_a_link_and_its_unlink_leave_what_was_there(cases):
    @settings(max_examples=cases)
    @given(statements(20), policies(), st.sampled_from(IDENTIFIERS), st.sampled_from(IDENTIFIERS))
    def holds(said, policy, left, right):
        assume(left != right and not any({left, right} == {a, b} for a, b, _ in said))
        graph = woven(said, policy)
        before = graph.state()
        woven([(left, right, link(2, 1_000)), (left, right, unlink(2_000))], policy, graph=graph)
        after = graph.state()
        assert {n: a for n, a in after.anchors.items() if n in before.anchors} == before.anchors
        assert after.conflicts == before.conflicts
        assert after.quarantined - before.quarantined <= {left, right}
        assert before.quarantined <= after.quarantined

    holds()


@CASES
def test_i8_folding_the_feed_gives_the_map(cases):
    @settings(max_examples=cases)
    @given(statements(25), policies(), SIZES)
    def holds(said, policy, sizes):
        graph = woven(said, policy, sizes)
        assert graph.folded() == {no: i.place.person_no for no, i in graph.idents.items()}

    holds()


@CASES
def test_i10_the_short_way_comes_to_what_the_long_way_does(cases):
    @settings(max_examples=cases)
    @given(statements(25), policies(), SIZES)
    def holds(said, policy, sizes):
        with patch.object(grouping, "_is_whole", lambda _members, _policy: False):
            long_way = woven(said, policy, sizes)
        assert woven(said, policy, sizes).state() == long_way.state()

    holds()


@CASES
def test_i11_step_by_step_comes_to_what_all_at_once_does(cases):
    @settings(max_examples=cases)
    @given(statements(25), policies(), SIZES, RANDOM)
    def holds(said, policy, sizes, rng):
        shuffled = said + rng.sample(said, len(said) // 3)
        rng.shuffle(shuffled)
        assert woven(shuffled, policy, sizes).state() == reference(said, policy=policy)

    holds()


@CASES
def test_i13_projects_with_their_labels_exchanged_have_exchanged_persons(cases):
    @settings(max_examples=cases)
    @given(statements(15), statements(15), policies())
    def holds(first, second, policy):
        one, two = MemoryGraph(policy), MemoryGraph(policy)
        for n in range(max(len(first), len(second))):
            woven(first[n : n + 1], policy, graph=one)
            woven(second[n : n + 1], policy, graph=two)
        assert one.state() == reference(first, policy=policy)
        assert two.state() == reference(second, policy=policy)

    holds()
