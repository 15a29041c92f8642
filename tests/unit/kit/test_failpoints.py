"""Failpoints: off unless the process was started for them; then exactly what was armed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from siyu_kit import failpoints
from siyu_kit.errors import DependencyDown
from siyu_kit.failpoints.actions import Kind, parse
from siyu_kit.failpoints.armed import Armed

NAME, OTHER = "sink.after_plan", "relay.after_assign"


def test_off_is_an_empty_function_and_loads_nothing():
    script = (
        "import sys; from siyu_kit.failpoints import failpoint, _off\n"
        "assert failpoint is _off\n"
        "assert failpoint('no such name') is None\n"
        "assert 'siyu_kit.failpoints.armed' not in sys.modules"
    )
    clean = {name: text for name, text in os.environ.items() if "FAILPOINTS" not in name}
    subprocess.run([sys.executable, "-c", script], env=clean, check=True, timeout=30)


def test_what_is_decided_at_import_stays(monkeypatch):
    before = failpoints.failpoint
    monkeypatch.setenv("SIYU_FAILPOINTS", f"{NAME}=error")
    assert failpoints.failpoint is before
    failpoints.failpoint(NAME)


@pytest.mark.parametrize(
    ("text", "kind", "due"),
    [
        ("kill", Kind.KILL, [1, 2, 3]),
        ("once:error", Kind.ERROR, [1]),
        ("nth(3):sleep(0.5)", Kind.SLEEP, [3]),
        ("1in1:kill", Kind.KILL, [1, 2, 3]),
        ("off", Kind.OFF, []),
    ],
)
def test_words(text, kind, due):
    action = parse(f" {OTHER}=off; {NAME}={text}\n")[NAME]
    assert action.kind is kind
    assert [passage for passage in (1, 2, 3) if action.due(passage)] == due
    assert action.seconds == (0.5 if kind is Kind.SLEEP else 0)


def test_one_in_twenty_is_now_and_then():
    action = parse(f"{NAME}=1in20:kill")[NAME]
    assert 20 < sum(action.due(passage) for passage in range(1, 2_001)) < 250


@pytest.mark.parametrize(
    "spec",
    ["nowhere=kill", f"{NAME}", f"{NAME}=explode", f"{NAME}=once", f"{NAME}=twice:kill",
     f"{NAME}=nth(0):kill", f"{NAME}=sleep(-1)"],
)  # fmt: skip
def test_what_is_not_understood_is_an_error(spec):
    with pytest.raises(ValueError, match="failpoint"):
        failpoints.choose({"SIYU_FAILPOINTS": spec})


def test_error_and_hits(tmp_path):
    hits = tmp_path / "hits"
    armed = Armed(f"{NAME}=nth(2):error", hits=str(hits))
    armed.hit(NAME)
    with pytest.raises(DependencyDown) as caught:
        armed.hit(NAME)
    assert caught.value.reason == "DEPENDENCY_DOWN"
    armed.hit(NAME)
    armed.hit(OTHER)
    assert hits.read_text().splitlines() == [
        f"{NAME}\tpassed", f"{NAME}\terror", f"{OTHER}\tpassed"
    ]  # fmt: skip
    assert armed.passages == {NAME: 3, OTHER: 1}
    with pytest.raises(ValueError, match="no failpoint"):
        armed.hit("nowhere")


def test_a_file_arms_again_and_disarms_while_the_process_runs(tmp_path):
    file = tmp_path / "spec"
    armed = Armed("", str(file))
    armed.hit(NAME)
    for _ in range(2):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{NAME}=once:error")
        fresh.replace(file)
        with pytest.raises(DependencyDown):
            armed.hit(NAME)
        armed.hit(NAME)
    file.write_text("")
    armed.hit(NAME)


def test_sleep_stands_still():
    armed = Armed(f"{NAME}=sleep(0.05)")
    started = time.monotonic()
    armed.hit(NAME)
    assert time.monotonic() - started >= 0.05


def test_kill_ends_the_process_there_and_says_so_before(tmp_path):
    hits = tmp_path / "hits"
    settings = {"SIYU_FAILPOINTS": f"{NAME}=kill", "SIYU_FAILPOINTS_HITS": str(hits)}
    script = f"from siyu_kit.failpoints import failpoint; failpoint({NAME!r}); print('alive')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | settings,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""
    assert hits.read_text().splitlines() == [f"{NAME}\tpassed", f"{NAME}\tkill"]
