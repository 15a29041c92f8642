"""A short run of the nemesis in CI; `make chaos N=200` is the long one.

The failpoints where most is at stake, one process each, and a rival and a flush beside them.
"""

import pytest

from chaos.nemesis import Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

VISITS = [
    ("collect.after_append", "collect"),
    ("sink.after_insert", "analytics"),
    ("relay.after_publish", "identity"),
    ("apply.before_commit", "profile"),
    ("segment.after_publish", "segment"),
    ("touch.attempt_committed", "touch"),
]
SEED = 7


async def test_every_promise_holds_under_a_few_faults(tmp_path):
    run = Run(tmp_path / "run", SEED, len(VISITS) + 2, list(VISITS))
    await run()
    assert {name for name, _ in VISITS} <= {name for name, word in run.hits if word == "kill"}
    assert run.figures().keys() >= {f"chaos.recovery_s.{service}" for _, service in VISITS}
