"""A chain of audit records tells what was done to it, and where."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.audit.record import AuditEntry, AuditRecord, Head
from siyu_kit.audit.verify import Checker, Fault, FaultKind
from siyu_kit.crypto.chain import GENESIS

START = Head(0, GENESIS)
WORDS = st.text(max_size=6)
ENTRIES = st.builds(
    AuditEntry,
    time_ms=st.integers(0, 2**40),
    actor=WORDS,
    method=WORDS,
    project_id=WORDS,
    request_id=WORDS,
    trace_id=WORDS,
    outcome=st.sampled_from(["OK", "NOT_FOUND"]),
    reason=WORDS,
    objects=st.dictionaries(WORDS, WORDS, max_size=2),
)
CHAINS = st.lists(ENTRIES, min_size=2, max_size=8)


def chained(entries, start=START):
    records, head = [], start
    for entry in entries:
        record = AuditRecord.after(head, entry)
        records.append(record)
        head = Head(record.number, record.digest)
    return records


def end_of(records):
    return Head(records[-1].number, records[-1].digest)


def faults(records, head, anchors=(), pages=1):
    checker = Checker(START, anchors)
    for page in range(pages):
        checker.feed(records[page * len(records) // pages : (page + 1) * len(records) // pages])
    return checker.faults(head)


@given(CHAINS, st.integers(1, 4))
def test_a_chain_as_written_has_no_faults(entries, pages):
    whole = chained(entries)
    anchors = [Head(record.number, record.digest) for record in whole]
    assert faults(whole, end_of(whole), anchors, pages) == []


@given(CHAINS, st.data())
def test_an_altered_record_is_named(entries, data):
    whole = chained(entries)
    place = data.draw(st.integers(0, len(whole) - 1))
    field = data.draw(st.sampled_from(["actor", "method", "project_id", "outcome", "trace_id"]))
    entry = replace(whole[place].entry, **{field: whole[place].entry.outcome + "x"})
    altered = list(whole)
    altered[place] = replace(whole[place], entry=entry)
    found = faults(altered, end_of(whole))
    if entry == whole[place].entry:
        assert found == []
    else:
        assert found == [Fault(FaultKind.ALTERED, place + 1)]


@given(CHAINS, st.data())
def test_a_record_altered_with_its_digest_is_named_too(entries, data):
    whole = chained(entries)
    place = data.draw(st.integers(0, len(whole) - 1))
    before = Head(place, whole[place].previous)
    entry = replace(whole[place].entry, actor=whole[place].entry.actor + "x")
    altered = list(whole)
    altered[place] = AuditRecord.after(before, entry)
    assert faults(altered, end_of(whole)) == [Fault(FaultKind.ALTERED, place + 1)]


@given(CHAINS, st.data())
def test_a_removed_record_is_named(entries, data):
    whole = chained(entries)
    place = data.draw(st.integers(0, len(whole) - 2))
    left = whole[:place] + whole[place + 1 :]
    assert faults(left, end_of(whole)) == [Fault(FaultKind.MISSING, place + 1)]


@given(CHAINS, st.data())
def test_records_that_changed_places_are_named(entries, data):
    whole = chained(entries)
    one, two = data.draw(
        st.lists(st.integers(0, len(whole) - 1), min_size=2, max_size=2, unique=True)
    )
    moved = list(whole)
    moved[one] = replace(whole[two], number=one + 1)
    moved[two] = replace(whole[one], number=two + 1)
    found = faults(moved, end_of(whole))
    named = {fault.number for fault in found if fault.kind is FaultKind.MOVED}
    assert named == {one + 1, two + 1}


@given(CHAINS, st.data())
def test_a_cut_end_is_named(entries, data):
    whole = chained(entries)
    kept = data.draw(st.integers(0, len(whole) - 1))
    rest = whole[:kept]
    # Where the chain says that it ends was left, or was set back and an exported head tells it.
    assert faults(rest, end_of(whole)) == [Fault(FaultKind.CUT, kept + 1)]
    set_back = end_of(rest) if rest else START
    assert faults(rest, set_back, [end_of(whole)]) == [Fault(FaultKind.CUT, kept + 1)]
    assert faults(rest, set_back) == []  # without an anchor nothing tells it


@given(CHAINS, st.data())
def test_a_chain_written_anew_differs_from_the_exported_heads(entries, data):
    whole = chained(entries)
    place = data.draw(st.integers(0, len(whole) - 1))
    forged = list(entries)
    forged[place] = replace(entries[place], actor=entries[place].actor + "x")
    anew = chained(forged)
    anchor = data.draw(st.integers(place, len(whole) - 1))
    exported = Head(anchor + 1, whole[anchor].digest)
    assert faults(anew, end_of(anew)) == []
    assert faults(anew, end_of(anew), [exported]) == [Fault(FaultKind.ANCHOR, anchor + 1)]


@pytest.mark.parametrize("removed", [1, 300])
def test_what_is_named_is_bounded(removed):
    entry = AuditEntry(
        time_ms=1, actor="a", method="m", project_id="p", request_id="", trace_id="t",
        outcome="OK", reason="",
    )  # fmt: skip
    whole = chained([entry] * 400)
    assert len(faults(whole[:5] + whole[5 + removed :], end_of(whole))) == min(removed, 100)


def test_a_field_that_looks_like_two_makes_another_digest():
    entry = AuditEntry(
        time_ms=1, actor='a","x', method="m", project_id="p", request_id="", trace_id="t",
        outcome="OK", reason="", objects={"a": "1|2"},
    )  # fmt: skip
    others = [
        replace(entry, actor="a", method='x","m'),
        replace(entry, objects={"a": "1", "2": ""}),
    ]
    digests = {chained([one])[0].digest for one in (entry, *others)}
    assert len(digests) == 3
