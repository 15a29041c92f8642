"""The simulator keeps its promises: the same bytes from a seed, nothing impossible in them."""

import hashlib
from collections import Counter, defaultdict
from datetime import datetime

import pytest

from siyu_demo.records import Record, Via, import_chunks
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.simulator.settings import SHANGHAI
from siyu_kit.identifiers import RANKS, is_junk, normalise

SMALL = Settings(customers=600)


@pytest.fixture(scope="module")
def quarter() -> Quarter:
    return Quarter(SMALL)


@pytest.fixture(scope="module")
def records(quarter: Quarter) -> list[Record]:
    return [*quarter.history(), *quarter.live()]


def digest(quarter: Quarter) -> str:
    sha = hashlib.sha256()
    for records in (quarter.history(), quarter.live()):
        for chunk in import_chunks(records):
            sha.update(chunk)
    for facts in (quarter.consents, quarter.ratings, quarter.contact_points):
        sha.update(repr(facts).encode())
    return sha.hexdigest()


def test_same_seed_same_bytes(quarter: Quarter) -> None:
    assert digest(quarter) == digest(Quarter(SMALL))
    assert digest(quarter) != digest(Quarter(Settings(customers=600, seed=1)))


def test_size(records: list[Record], quarter: Quarter) -> None:
    assert len(records) == len(quarter)
    assert 40 * SMALL.customers < len(records) < 65 * SMALL.customers
    assert 0 < quarter.live_count < len(records) / 20


def test_message_ids_are_unique(records: list[Record]) -> None:
    assert len({record.message_id for record in records}) == len(records)


def test_times_ascend_and_the_live_day_is_the_last(records: list[Record], quarter: Quarter) -> None:
    times = [record.time for record in records]
    assert times == sorted(times)
    assert times[0] >= SMALL.start_ms
    assert times[-1] < SMALL.end_ms - 1_000
    assert max(record.time for record in quarter.history()) < SMALL.live_ms
    assert min(record.time for record in quarter.live()) >= SMALL.live_ms
    assert datetime.fromtimestamp(SMALL.live_ms / 1000, SHANGHAI).date() == SMALL.end


def test_identifiers_are_in_normal_form_best_first(records: list[Record]) -> None:
    for record in records:
        ranks = [RANKS[id_type] for id_type in record.ids]
        assert ranks == sorted(ranks)
        for id_type, value in record.ids.items():
            assert normalise(id_type, value) == value
            assert not is_junk(id_type, value)


def test_every_source_has_one_way_in(records: list[Record]) -> None:
    ways: dict[tuple[str, str], set[Via]] = defaultdict(set)
    for record in records:
        for identifier in record.ids.items():
            if identifier[0] in {"device_id", "anonymous_id"} and "platform" in record.properties:
                ways[identifier].add(record.via)
    assert all(len(via) == 1 for via in ways.values())
    assert {record.via for record in records} == set(Via)


def test_what_is_sent_by_the_segment_library_it_can_say(quarter: Quarter) -> None:
    """It has tracks of a user, of an anonymous visitor, or of both."""
    said = {
        (record.type, tuple(record.ids)) for record in quarter.live() if record.via is Via.SEGMENT
    }
    assert said <= {
        ("track", ("customer_no",)),
        ("track", ("anonymous_id",)),
        ("track", ("customer_no", "anonymous_id")),
    }


def test_no_two_events_of_the_sensors_library_are_alike(quarter: Quarter) -> None:
    """It sends no message id: what is alike in everything would be taken for a repetition."""
    seen = Counter(
        repr((record.type, record.ids, record.event, record.time, record.properties))
        for record in quarter.live()
        if record.via is Via.SENSORS
    )
    assert max(seen.values()) == 1


def test_trades_happen_while_the_exchange_is_open(records: list[Record]) -> None:
    for record in records:
        if record.event == "trade":
            at = datetime.fromtimestamp(record.time / 1000, SHANGHAI)
            minute = at.hour * 60 + at.minute
            assert at.weekday() < 5
            assert 570 <= minute < 690 or 780 <= minute < 900


def test_the_day_has_its_peaks(records: list[Record]) -> None:
    hours = Counter((record.time // 3_600_000 + 8) % 24 for record in records)
    assert {hour for hour, _ in hours.most_common(3)} <= {9, 10, 14, 15}
    assert hours[10] > hours[11]
    assert hours[14] > hours[13]
    assert hours[14] > hours[17]
    assert hours[3] < hours[10] / 10


def test_money_has_two_decimals(records: list[Record]) -> None:
    amounts = [r.properties["amount"] for r in records if r.event in {"deposit", "trade"}]
    assert amounts
    assert all(isinstance(amount, float) and round(amount, 2) == amount > 0 for amount in amounts)


def test_nobody_trades_before_the_first_deposit(records: list[Record]) -> None:
    first: dict[str, int] = {}
    for record in records:
        if record.event == "deposit" and record.properties["is_first"]:
            assert record.ids["customer_no"] not in first
            first[record.ids["customer_no"]] = record.time
    trades = [r for r in records if r.event == "trade" and r.ids["customer_no"] in first]
    assert trades
    assert all(trade.time >= first[trade.ids["customer_no"]] for trade in trades)


def test_facts_lie_before_the_end(quarter: Quarter) -> None:
    assert {consent.granted for consent in quarter.consents} == {True, False}
    assert all(consent.time < SMALL.end_ms for consent in quarter.consents)
    assert {rating.level for rating in quarter.ratings} == {"C1", "C2", "C3", "C4", "C5"}
    assert any(rating.expires < SMALL.end_ms for rating in quarter.ratings)
    assert {point.type for point in quarter.contact_points} == {"mobile", "push_token"}
    for ids in ([c.consent_id for c in quarter.consents], [r.rating_id for r in quarter.ratings]):
        assert len(set(ids)) == len(ids)


def test_chunks_hold_whole_lines(quarter: Quarter) -> None:
    chunks = list(import_chunks(quarter.live(), lines=100))
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert sum(chunk.count(b"\n") for chunk in chunks) == quarter.live_count
    assert all(chunk.count(b"\n") == 100 for chunk in chunks[:-1])


def test_settings_refuse_what_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="customers"):
        Settings(customers=3)
    with pytest.raises(ValueError, match="turning point"):
        Settings(turning_point=2)
