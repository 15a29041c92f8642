import asyncio
from dataclasses import replace
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from siyu_identity.app.weave import weave
from siyu_identity.domain import grouping
from siyu_identity.domain.changes import Why
from siyu_identity.domain.evidence import NOTHING, Identifier, link, unlink
from siyu_identity.domain.policy import Limit, Refusal
from siyu_identity.domain.presets import BROKER
from support.identity_cases import statements
from support.identity_memory import MemoryGraph
from support.identity_model import reference

C1, C2 = Identifier("customer_no", "c1"), Identifier("customer_no", "c2")
DEVICE, COOKIE = Identifier("device_id", "d"), Identifier("anonymous_id", "a")
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=5)


def in_batches(said, sizes):
    start = 0
    while start < len(said):
        for size in sizes:
            yield said[start : start + size]
            start += size


def weave_all(said, sizes=(1,), graph=None):
    graph = graph or MemoryGraph()
    for part in in_batches(said, sizes):
        batch = {}
        for left, right, edge in part:
            batch[left, right] = batch.get((left, right), NOTHING).join(edge)
        if batch:
            asyncio.run(weave(graph, batch))
    return graph


@given(statements(25), SIZES)
def test_weaving_step_by_step_comes_to_what_the_set_says(said, sizes):
    assert weave_all(said, sizes).state() == reference(said)


@given(statements(25), SIZES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(said, sizes, rng):
    shuffled = said + rng.sample(said, len(said) // 3)
    rng.shuffle(shuffled)
    assert weave_all(shuffled, sizes).state() == weave_all(said).state()


@given(statements(25), SIZES)
def test_the_short_way_comes_to_what_the_long_way_does(said, sizes):
    with patch.object(grouping, "_is_whole", lambda _members, _policy: False):
        long_way = weave_all(said, sizes)
    assert weave_all(said, sizes).state() == long_way.state()


def test_neighbours_in_quarantine_count_on_the_short_way():
    """A cookie beside two that are shared by too many, and two of its own person: one too many."""
    shared = [Identifier("mobile", f"+861390000000{n}") for n in range(2)]
    tablet = Identifier("device_id", "t")
    policy = replace(BROKER, max_person=3, max_neighbours=3)
    crowd = [
        (phone, Identifier("email", f"{n}@x"), link(2, 1)) for phone in shared for n in range(4)
    ]
    own = [(COOKIE, other, link(2, 1)) for other in (*shared, DEVICE, tablet)]
    graph = weave_all([*crowd, *own], graph=MemoryGraph(policy))
    assert graph.state() == reference([*crowd, *own], policy=policy)
    assert COOKIE in graph.state().quarantined


@given(statements(25), SIZES)
def test_folding_the_feed_gives_the_map(said, sizes):
    graph = weave_all(said, sizes)
    assert graph.folded() == {no: ident.place.person_no for no, ident in graph.idents.items()}


@given(statements(25))
def test_what_is_said_again_tells_nobody_anything(said):
    graph = weave_all(said)
    told = len(graph.feed)
    assert len(weave_all(said, graph=graph).feed) == told


@given(statements(25))
def test_components_are_named_after_a_member(said):
    graph = weave_all(said)
    for ident in graph.idents.values():
        namesake = graph.idents[ident.place.component]
        assert namesake.place.component == ident.place.component


@given(statements(15), statements(5))
def test_only_who_hangs_together_with_it_moves(said, more):
    graph = weave_all(said)
    told = len(graph.feed)
    reach = {item for left, right, _ in more for item in (left, right)}
    numbers = {graph.names[item] for item in reach if item in graph.names}
    components = {graph.idents[no].place.component for no in numbers}
    # An unlink may also let an identifier out of quarantine, and then its neighbours move.
    near = {no for pair in graph.said for no in pair if numbers & set(pair)}
    components |= {graph.idents[no].place.component for no in near}
    may_move = {no for no, i in graph.idents.items() if i.place.component in components}
    known = set(graph.idents)
    weave_all(more, graph=graph)
    moved = {change.ident_no for changes in graph.feed[told:] for change in changes}
    assert moved & known <= may_move


def test_the_usual_merge_does_not_look_at_the_evidence():
    graph = weave_all([(DEVICE, COOKIE, link(5, 1)), (C1, DEVICE, link(3, 2))])
    assert graph.reviews == 0
    assert set(graph.state().anchors.values()) == {C1}


def test_every_move_says_why():
    graph = weave_all(
        [
            (DEVICE, COOKIE, link(5, 1)),
            (C1, DEVICE, link(3, 5)),
            (C2, DEVICE, link(3, 4)),
            (C2, DEVICE, unlink(9)),
            (C1, DEVICE, unlink(9)),
        ]
    )
    reasons = [[change.why for change in changes] for changes in graph.feed]
    assert reasons == [
        [Why.MERGED, Why.CREATED],
        [Why.MERGED, Why.MERGED, Why.CREATED],
        [Why.SPLIT, Why.SPLIT, Why.CREATED],
        [Why.SPLIT, Why.SPLIT],
        [Why.SPLIT, Why.SPLIT],
    ]


def test_a_component_that_would_be_too_large_is_not_followed():
    said = [(C1, Identifier("anonymous_id", f"a{n}"), link(5, n)) for n in range(6)]
    with (
        patch.object(grouping.group, "__kwdefaults__", None),
        patch.object(grouping.group, "__defaults__", (frozenset(), frozenset(), 4)),
    ):
        graph = weave_all(said)
    assert list(graph.conflicts.values()) == [Refusal(Limit.COMPONENT)] * 3
    assert sum(anchor == C1 for anchor in graph.state().anchors.values()) == 4


@given(statements(20))
def test_a_time_grain_changes_no_outcome_but_versions(said):
    exact, coarse = weave_all(said), MemoryGraph()
    ordered = sorted(said, key=lambda item: item[2].unlinked_ms)
    for left, right, edge in ordered:
        asyncio.run(weave(coarse, {(left, right): edge}, grain_ms=1))
    assert coarse.state() == exact.state()
