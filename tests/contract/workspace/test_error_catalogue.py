"""Every reason that an error may give is explained to its reader."""

import re

import grpc
import pytest

from siyu_kit import errors
from siyu_kit.rpc.status import code_of, grpc_code
from support import contracts
from support.raised_reasons import raised
from support.tree import ROOT

REASONS = [
    (reasons.file.package, value.name.removeprefix("ERROR_REASON_"))
    for reasons in contracts.error_reasons()
    for value in reasons.values
    if value.number
]
PASSED_ON = {"part_letters.py", "dispatch.py"}
"""Files that pass on the reason of another error: a dead letter's, a push provider's."""
ROW = re.compile(r"^\| `(?P<reason>\w+)` \| (?P<code>[^|]*) \| (?P<text>.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def rows():
    return {row["reason"]: row for row in ROW.finditer((ROOT / "docs/errors.md").read_text())}


def test_every_reason_is_in_the_catalogue(rows):
    assert {reason for _, reason in REASONS} == rows.keys()


def test_a_reason_means_one_thing():
    names = [reason for _, reason in REASONS]
    assert sorted(set(names)) == sorted(names)


def test_every_reason_states_its_code_and_when(rows):
    codes = {code.name for code in grpc.StatusCode}
    silent = [
        name
        for name, row in rows.items()
        if row["code"].partition(" ")[0] not in codes or not row["text"]
    ]
    assert silent == []


def test_every_reason_that_the_code_gives_is_in_the_catalogue(rows):
    made = raised()
    assert len(made) > 200
    silent = [one.place for one in made if one.reason is None]
    assert {place.rpartition("/")[2].partition(":")[0] for place in silent} == PASSED_ON
    assert {one.reason: one.place for one in made if one.reason not in {*rows, None}} == {}


def test_a_reason_leaves_with_the_code_that_the_catalogue_says(rows):
    other = {}
    for one in raised():
        if one.reason in rows:
            code = grpc_code(code_of(getattr(errors, one.error)("X", "x"))).name
            if code != rows[one.reason]["code"].partition(" ")[0]:
                other[one.reason] = (code, one.place)
    assert other == {}
