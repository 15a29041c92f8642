"""The tables on a cluster: the engine's parser reads them, and the columns are those of one."""

import json
import re
import subprocess
import sys

import pytest

from siyu_analytics.store.cluster_schema import SHARDED_BY, cluster_statements
from siyu_analytics.store.schema import KEPT, statements

_FORMAT = """
import json, sys
from chdb.session import Session

session = Session()
for text in json.load(sys.stdin):
    quoted = text.replace("\\\\", "\\\\\\\\").replace("'", "\\\\'")
    try:
        answer = session.query(f"SELECT formatQuery('{quoted}')", "TSVRaw")
        print(json.dumps(answer.bytes().decode()))
    except RuntimeError:
        print("null")
"""


def formatted(texts):
    """What the engine's parser makes of each; None where it reads none. One path a process."""
    command = [sys.executable, "-c", _FORMAT]
    given = json.dumps(texts)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_parser_reads_every_statement():
    texts = [text for days in (0, 30) for text in cluster_statements("siyu", days)]
    *read, broken = formatted([*texts, "CREATE TABLE x ON CLUSTER (a Int64) ENGINE"])
    assert len(read) == len(texts)
    assert all(text.startswith("CREATE") for text in read)
    assert broken is None


def test_every_table_is_replicated_and_what_grows_is_sharded():
    texts = cluster_statements("siyu", 30)
    kept = [text for text in texts if "ReplicatedMergeTree" in text]
    above = [text for text in texts if "Distributed" in text]
    assert len(kept) == len(KEPT)
    assert {re.search(r"EXISTS (\w+)", text)[1] for text in above} == set(SHARDED_BY)
    for text in kept:
        name = re.search(r"EXISTS (\w+?)(_local)? ON", text)[1]
        place = "{shard}" if name in SHARDED_BY else "all"
        assert f"('/siyu/{place}/{name}', '{{replica}}')" in text
        assert " non_replicated" not in text
    assert not any("ENGINE = MergeTree" in text for text in texts)


def test_columns_are_those_of_one_server():
    def columns(texts):
        return [re.findall(r"^  (\w+ .*?),?$", text, re.MULTILINE) for text in texts]

    replicated = [text for text in cluster_statements("siyu") if "Distributed" not in text]
    assert columns(replicated) == columns(statements(0))


@pytest.mark.parametrize("name", ["", "a b", "x;DROP TABLE events", "1st", "a'"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="a cluster is named"):
        cluster_statements(name)
