"""Every reason that an error may give is explained to its reader."""

import re

import grpc
import pytest

from support import contracts
from support.tree import ROOT

REASONS = [
    (reasons.file.package, value.name.removeprefix("ERROR_REASON_"))
    for reasons in contracts.error_reasons()
    for value in reasons.values
    if value.number
]
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
