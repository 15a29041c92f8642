"""Events through the memory of what is known come to what all of them say at once."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, EVENT_KIND_UNBIND, Event
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu_identity.app.weave import weave
from siyu_identity.domain.evidence import Identifier, Strength, link, unlink
from siyu_identity.domain.presets import BROKER
from siyu_identity.stream.gathering import Gathering
from siyu_identity.stream.known import GRAIN_MS, KnownEvidence
from support.identity_memory import MemoryGraph
from support.identity_model import reference

START = 100 * GRAIN_MS
PAIRS = [
    (Identifier("customer_no", "c1"), Identifier("device_id", "d1")),
    (Identifier("customer_no", "c2"), Identifier("device_id", "d2")),
    (Identifier("customer_no", "c1"), Identifier("anonymous_id", "a1")),
]
SAID = st.tuples(
    st.sampled_from(PAIRS),
    st.sampled_from([EVENT_KIND_TRACK, EVENT_KIND_UNBIND]),
    st.integers(0, 5),
)


def take(batches):
    """The graph after these batches, with a count of unlinks as the database keeps it."""
    graph, known, unlinks = MemoryGraph(), KnownEvidence(), 0
    for batch in batches:
        known.set_epoch("p", unlinks)
        gathering = Gathering("p", known, unlinks, BROKER)
        gathering.add(
            Event(
                ids=[IdentifierMessage(type=item.type, value=item.value) for item in pair],
                kind=kind,
                event_time_ms=START + tick * GRAIN_MS // 4,
            )
            for pair, kind, tick in batch
        )
        if gathering.statements:
            woven = asyncio.run(weave(graph, gathering.statements, GRAIN_MS))
            gathering.learn(woven.contested, unlinks)
        unlinks += any(kind == EVENT_KIND_UNBIND for _, kind, _ in batch)
    return graph


LINK, UNBIND = EVENT_KIND_TRACK, EVENT_KIND_UNBIND


@example([[(PAIRS[0], LINK, 0)], [(PAIRS[1], LINK, 0)], [(PAIRS[0], LINK, 2)],
          [(PAIRS[1], UNBIND, 1)], [(PAIRS[0], UNBIND, 1)]])  # fmt: skip
@example([[(PAIRS[0], LINK, 0)], [(PAIRS[1], LINK, 0)], [(PAIRS[0], LINK, 2)],
          [(PAIRS[1], UNBIND, 1)], [(PAIRS[0], LINK, 1)], [(PAIRS[0], UNBIND, 1)]])  # fmt: skip
@example([[(PAIRS[0], LINK, 0)], [(PAIRS[0], UNBIND, 0), (PAIRS[0], LINK, 1)]])
@given(st.lists(st.lists(SAID, min_size=1, max_size=3), min_size=1, max_size=10))
def test_the_memory_of_what_is_known_changes_nothing(batches):
    said = []
    for pair, kind, tick in (item for batch in batches for item in batch):
        at = START + tick * GRAIN_MS // 4
        edge = unlink(at) if kind == EVENT_KIND_UNBIND else link(Strength.OBSERVED, at)
        said.append((*pair, edge))
    assert take(batches).state() == reference(said)
