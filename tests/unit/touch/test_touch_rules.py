from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from siyu_demo.truth.holdout import holdout_bucket as truth_bucket
from siyu_kit.crypto.chain import GENESIS
from siyu_kit.errors import PreconditionFailed
from siyu_touch.app.board import Board
from siyu_touch.domain import campaign as campaigns
from siyu_touch.domain.campaign import Campaign, FrequencyCap
from siyu_touch.domain.days import QuietHours, day_number, quiet_until, window_start_ms
from siyu_touch.domain.decision import (
    Decision,
    Outcome,
    Verdict,
    chain,
    verdicts_from,
    verdicts_text,
)
from siyu_touch.domain.delivery import MAX_ATTEMPTS, Answer, Delivery, settle
from siyu_touch.domain.gates import GATES_OF
from siyu_touch.domain.holdout import held_out, holdout_bucket
from siyu_touch.domain.send import OPEN, REPORTABLE, TRANSITIONS, Send, after_receipt, send_key
from siyu_touch.domain.suitability import Rating, unsuitable
from siyu_touch.domain.touch_event import TouchEvent, from_payload, to_payload
from siyu_touch.domain.vocabulary import CampaignState, Channel, MessageClass, SendState
from support.touch_twins import good_facts

STATES = st.sampled_from(SendState)
TIMES = st.integers(0, 4_000_000_000_000)
MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


@given(st.text(max_size=5), st.text(max_size=5), st.integers(1, 2**32 - 1))
def test_the_bucket_is_that_of_the_ground_truth(project, campaign, person):
    assert holdout_bucket(project, campaign, person) == truth_bucket(project, campaign, str(person))


@pytest.mark.parametrize("basis_points", [0, 100, 1_000, 5_000])
def test_the_hold_out_has_its_share_and_is_stable(basis_points):
    audience = BitMap(range(1, 20_001))
    aside = held_out("p", "c", audience, basis_points)
    expected = 20_000 * basis_points / 10_000
    assert abs(len(aside) - expected) <= 4 * (expected + 1) ** 0.5
    part = BitMap(range(5_000, 9_000))
    assert held_out("p", "c", part, basis_points) == aside & part


def test_the_share_itself_is_the_first_bucket_not_held_out():
    buckets = {number: holdout_bucket("p", "c", number) for number in range(1, 2_001)}
    number, share = next((one, bucket) for one, bucket in buckets.items() if bucket)
    assert number not in held_out("p", "c", BitMap([number]), share)
    assert number in held_out("p", "c", BitMap([number]), share + 1)


@given(st.lists(st.tuples(STATES, st.booleans()), max_size=12))
def test_receipts_never_move_a_send_backwards(reports):
    rank = [SendState.ACCEPTED, SendState.DELIVERED, SendState.READ, SendState.CLICKED]
    state = SendState.ACCEPTED
    for reported, _ in reports:
        if reported not in REPORTABLE:
            continue
        after = after_receipt(state, 1, reported)
        if after is not state:
            assert after in TRANSITIONS[state]
            assert after is SendState.FAILED or rank.index(after) > rank.index(state)
        assert after_receipt(after, 1, reported) is after
        state = after


@pytest.mark.parametrize(
    "state", [SendState.PLANNED, SendState.REFUSED, SendState.EXPIRED, SendState.DEFERRED]
)
def test_what_never_went_out_has_no_receipts(state):
    with pytest.raises(PreconditionFailed):
        after_receipt(state, 0, SendState.DELIVERED)


def test_every_state_is_known_and_ended_states_stay_ended():
    assert set(TRANSITIONS) == set(SendState)
    for state, ways in TRANSITIONS.items():
        if state not in OPEN:
            assert ways <= REPORTABLE


@given(TIMES, st.integers(0, 1_439), st.integers(0, 1_439), st.sampled_from(["Asia/Shanghai"]))
def test_quiet_hours_are_those_of_the_clock_on_the_wall(now, start, end, zone):
    until = quiet_until(now, QuietHours(start, end), zone)
    local = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    assert (until is not None) == inside
    if until is not None:
        assert now < until <= now + DAY_MS
        assert quiet_until(until, QuietHours(start, end), zone) is None
        assert quiet_until(until - 1, QuietHours(start, end), zone) == until


def ms(*parts):
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


def test_quiet_hours_end_in_the_hour_that_the_clock_shows_twice():
    quiet, zone = QuietHours(0, 90), "America/New_York"  # 2:00 becomes 1:00 at 6:00 UTC
    first, second = ms(2026, 11, 1, 5, 30), ms(2026, 11, 1, 6, 30)
    assert quiet_until(ms(2026, 11, 1, 5, 15), quiet, zone) == first
    assert quiet_until(ms(2026, 11, 1, 5, 45), quiet, zone) is None
    assert quiet_until(ms(2026, 11, 1, 6, 15), quiet, zone) == second
    assert quiet_until(second, quiet, zone) is None


def shows(at, zone):
    """Minute of the day on the wall."""
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone))
    return local.hour * 60 + local.minute


def left_out(at, minute, zone):
    """Whether the clock skipped the minute within the day before."""
    minutes = {shows(at - step * MINUTE_MS, zone) for step in range(1_440)}
    return minute not in minutes


TURNS = [
    ("America/New_York", ms(2026, 11, 1, 6)),
    ("America/New_York", ms(2026, 3, 8, 7)),
    ("America/Havana", ms(2026, 11, 1, 5)),
    ("Australia/Lord_Howe", ms(2026, 4, 4, 15)),
    ("Antarctica/Troll", ms(2026, 10, 25, 1)),
    ("Asia/Shanghai", ms(1991, 9, 14, 15)),
    ("Pacific/Apia", ms(2011, 12, 30, 10)),
]


@given(
    st.sampled_from(TURNS),
    st.integers(-DAY_MS, DAY_MS),
    st.integers(0, 1_439),
    st.integers(0, 1_439),
)
def test_quiet_hours_end_later_than_now_where_clocks_are_turned(turn, away, start, end):
    zone, at = turn
    until = quiet_until(at + away, QuietHours(start, end), zone)
    if until is not None:
        assert at + away < until <= at + away + 2 * DAY_MS
        assert shows(until, zone) == end or left_out(until, end, zone)


@given(TIMES, st.integers(1, 30))
def test_a_window_holds_whole_days_with_today(now, days):
    start = window_start_ms(now, days, "Asia/Shanghai")
    assert day_number(now, "Asia/Shanghai") - day_number(start, "Asia/Shanghai") == days - 1
    assert day_number(start - 1, "Asia/Shanghai") < day_number(start, "Asia/Shanghai")


@given(st.integers(0, 5), st.integers(0, 6), st.integers(0, 10), st.integers(0, 10))
def test_suitability(risk, level, expires, now):
    found = unsuitable(risk, Rating(level, expires), now)
    if risk == 0:
        assert found == ""
    elif not 1 <= level <= 5:
        assert found == "NOT_ASSESSED"
    elif now >= expires:
        assert found == "RATING_EXPIRED"
    else:
        assert found == ("" if risk <= level else "ABOVE_LEVEL")
    assert unsuitable(1, None, now) == "NOT_ASSESSED"


@given(st.sampled_from(Answer), st.sampled_from(MessageClass), st.integers(1, 9), TIMES)
def test_a_settlement_is_an_allowed_way_and_marketing_is_never_repeated_blindly(
    answer, message_class, attempts, now
):
    settlement = settle(Delivery(answer, "R", retry_after_ms=5), message_class, attempts, now)
    assert settlement.state in TRANSITIONS[SendState.ATTEMPTING]
    if answer is Answer.AMBIGUOUS and message_class is MessageClass.MARKETING:
        assert settlement.state is SendState.UNKNOWN
    if answer is Answer.TURNED_AWAY:
        assert (settlement.state, settlement.due_ms) == (SendState.DEFERRED, now + 300_000)
    elif settlement.state is SendState.DEFERRED:
        assert now + 5 <= settlement.due_ms <= now + 60_000
        assert attempts < MAX_ATTEMPTS


def test_keys_differ_by_every_part():
    base = ("p", "c", 1, Channel.PUSH)
    others = [("q", "c", 1, Channel.PUSH), ("p", "d", 1, Channel.PUSH),
              ("p", "c", 2, Channel.PUSH), ("p", "c", 1, Channel.IN_APP)]  # fmt: skip
    keys = {send_key(*parts) for parts in [base, *others]}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {64}


def test_marketing_passes_every_gate_in_order():
    assert GATES_OF[MessageClass.MARKETING] == (
        "kill_switch",
        "content",
        "consent",
        "suitability",
        "address",
        "template",
        "quiet_hours",
        "frequency",
    )
    for gates in GATES_OF.values():
        assert set(gates) <= set(GATES_OF[MessageClass.MARKETING])


DECISIONS = st.builds(
    Decision,
    st.text(max_size=3),
    st.integers(1, 9),
    st.text(max_size=3),
    st.sampled_from(Outcome),
    st.lists(
        st.builds(
            Verdict,
            st.text(max_size=3),
            st.booleans(),
            st.text(max_size=3),
            st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    TIMES,
)


@given(st.lists(DECISIONS, min_size=1, max_size=6), st.integers(0, 5), st.data())
def test_a_chain_is_the_same_in_any_batches_and_another_for_any_change(decisions, cut, data):
    whole = chain(GENESIS, 0, "p", decisions)
    first = chain(GENESIS, 0, "p", decisions[:cut])
    end = first[-1].chain_digest if first else GENESIS
    assert first + chain(end, len(first), "p", decisions[cut:]) == whole
    place = data.draw(st.integers(0, len(decisions) - 1))
    altered = list(decisions)
    altered[place] = replace(altered[place], person_no=altered[place].person_no + 10)
    assert chain(GENESIS, 0, "p", altered)[-1].chain_digest != whole[-1].chain_digest
    assert verdicts_from(verdicts_text(decisions[0].verdicts)) == decisions[0].verdicts


def a_send(key, person, message_class=MessageClass.MARKETING):
    return Send("p", key, "c", person, Channel.PUSH, message_class, "t", SendState.PLANNED, 0, 9, 0)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), max_size=40), st.integers(1, 3))
def test_a_cap_holds_in_any_order_of_messages_and_attempts(takes, cap):
    board = Board({}, [], BitMap())
    sent: dict[int, set[str]] = {}
    for person, number in takes:
        send = a_send(f"k{person}-{number}", person)
        facts = replace(good_facts(person, Channel.PUSH), address_key="")
        if board.messages_before(send, facts) < cap:
            board.take(send, facts, 1, 1)
            sent.setdefault(person, set()).add(send.send_key)
    assert all(len(keys) <= cap for keys in sent.values())
    assert len(board.new_reservations) == sum(map(len, sent.values()))


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)), max_size=20))
def test_a_person_and_an_address_have_one_message_at_most(attempts):
    board = Board({}, [], BitMap())
    to_address: dict[str, set[str]] = {}
    to_person: dict[int, set[str]] = {}
    for asked, current, address in attempts:
        send = a_send(f"k{asked}", asked)
        facts = replace(
            good_facts(asked, Channel.PUSH), current_person_no=current, address_key=f"a{address}"
        )
        if not board.taken_by(send, facts):
            board.take(send, facts, 1, 1)
            to_address.setdefault(facts.address_key, set()).add(send.send_key)
            to_person.setdefault(current, set()).add(send.send_key)
    assert all(len(keys) == 1 for keys in [*to_address.values(), *to_person.values()])


def test_a_notice_goes_to_both_who_share_an_address():
    board = Board({"address:a": "other", "person:1": "k1"}, [], BitMap())
    facts = replace(good_facts(2, Channel.PUSH), address_key="a")
    assert board.taken_by(a_send("k2", 2), facts) == "ADDRESS_DUPLICATE"
    assert board.taken_by(a_send("k2", 2, MessageClass.REGULATORY), facts) == ""


def test_an_event_survives_the_outbox():
    event = TouchEvent("k", int(SendState.READ), 7, "c", "push", "", "", 5)
    assert from_payload(to_payload([event])) == [event]
    assert (event.name, event.message_id) == ("touch_read", "k:read")


def test_only_a_running_campaign_pauses():
    draft = Campaign("p", "c", "n", "s", ("t",), frequency_cap=FrequencyCap(1, 1))
    with pytest.raises(PreconditionFailed):
        campaigns.paused(draft)
    running = replace(draft, state=CampaignState.RUNNING)
    paused = campaigns.paused(running)
    assert paused.etag != running.etag
    assert campaigns.paused(paused) is paused
    assert campaigns.resumed(paused).state is CampaignState.RUNNING
