"""Cell tokens: compact, signed, refused when altered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.rpc.tokens import CellTokens
from siyu_kit.errors import InvalidInput

PINNED = Snapshot(123_456, 98_765, 43_210)
TOKENS = CellTokens()


def token() -> str:
    steps = [cpb.EventFilter(event_name=f"opening_step_number_{n}") for n in range(20)]
    question = pb.QueryFunnelRequest(project_id="broker", steps=steps)
    return TOKENS.of("f", question, PINNED).mint((3, True, ("某渠道", False, False)))


def test_says_what_it_was_made_of() -> None:
    found = TOKENS.read(token())
    assert (found.kind, found.cell, found.pinned) == (
        "f",
        [3, True, ["某渠道", False, False]],
        PINNED,
    )
    assert len(pb.QueryFunnelRequest.FromString(found.question).steps) == 20


def test_twenty_steps_stay_compact() -> None:
    assert len(token()) < 1_500


@given(st.text(max_size=200) | st.binary(max_size=80).map(lambda raw: raw.hex()))
def test_refuses_what_it_did_not_make(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        TOKENS.read(text)
    assert refusal.value.reason == "CELL_TOKEN_INVALID"


@given(st.data())
def test_refuses_what_was_altered(data: st.DataObject) -> None:
    good = token()
    place = data.draw(st.integers(0, len(good) - 2))
    altered = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
    with pytest.raises(InvalidInput):
        TOKENS.read(altered)


def test_refuses_the_token_of_another_key() -> None:
    with pytest.raises(InvalidInput):
        CellTokens().read(token())
