"""A whole project at once comes to what its components come to."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from siyu_identity.domain import hanging
from siyu_identity.domain.comparison import compare
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.resolver import resolve
from siyu_identity.domain.restitch import restitch
from siyu_identity.domain.world import World
from support.identity_cases import CASES, FENCES, IDENTIFIERS, policies, statements
from support.identity_model import PlainNode, joined, plain_key

RETIRED = st.sets(st.sampled_from([i for i in IDENTIFIERS if i.type == "customer_no"]), max_size=2)


def made(said, policy, fences, retired):
    """The same evidence as nodes and edges, and as a world."""
    evidence = joined(said)
    names = sorted({item for pair in evidence for item in pair})
    numbers = {name: no for no, name in enumerate(names, 1)}
    nodes, world = {}, World()
    for name, no in numbers.items():
        flags = Flag.BLOCKED if policy.is_blocked(*name) else Flag.NONE
        flags |= Flag.RETIRED if name in retired else Flag.NONE
        # Whoever keeps two apart marks both: what is marked is looked at closely.
        flags |= Flag.APART if any(name in pair for pair in fences) else Flag.NONE
        nodes[no] = PlainNode(no, name.type, plain_key(name), int(flags))
        world.add_identifiers([name.type], [plain_key(name)], [int(flags)], [no], [False])
    edges = {tuple(sorted(numbers[item] for item in pair)): edge for pair, edge in evidence.items()}
    world.add_links([(*pair, *edge) for pair, edge in edges.items()])
    apart = {
        tuple(sorted(numbers[item] for item in pair))
        for pair in fences
        if all(item in numbers for item in pair)
    }
    world.apart = apart
    return nodes, edges, apart, world


@CASES
def test_a_restitch_equals_the_resolver(cases):
    @settings(max_examples=cases)
    @given(statements(), policies(), FENCES, RETIRED, st.sampled_from([1, 3, 1_000]))
    def holds(said, policy, fences, retired, at_once):
        nodes, edges, apart, world = made(said, policy, fences, retired)
        expected = resolve(nodes, edges, policy, apart)
        with patch.object(hanging, "_AT_ONCE", at_once):
            stitched = restitch(world, policy)
        assert dict(enumerate(stitched.persons))[0] == 0
        assert {no: stitched.persons[no] for no in nodes} == expected.anchors
        assert {no for no in nodes if stitched.quarantined[no]} == expected.quarantined
        assert stitched.conflicts == expected.conflicts

    holds()


@given(statements(), policies())
def test_a_comparison_counts_what_differs(said, policy):
    nodes, _, _, world = made(said, policy, (), ())
    stitched = restitch(world, policy)
    found = compare(world, stitched)
    moved = [no for no in nodes if stitched.persons[no] != no]
    assert (found.moved, found.persons_served) == (len(moved), len(nodes))
    assert found.persons == len({stitched.persons[no] for no in nodes})
    world.persons, world.quarantined = stitched.persons, stitched.quarantined
    world.conflicts = stitched.conflicts
    same = compare(world, stitched)
    assert (same.digest, same.moved) == (same.digest_served, 0)
    assert same.digest == found.digest
