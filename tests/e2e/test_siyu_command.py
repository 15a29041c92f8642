"""The command as an operator uses it: up, doctor, token, call, a refused start, stop, restart."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PORTS = 8


def siyu(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "siyu_client.cli", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(siyu(*arguments), capture_output=True, text=True, timeout=30, check=False)


def free_block() -> int:
    for base in range(17_400 + os.getpid() % 1_000 * 8, 32_000, PORTS):
        held = [socket.socket() for _ in range(PORTS)]
        try:
            for offset, probe in enumerate(held):
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        else:
            return base
        finally:
            for probe in held:
                probe.close()
    raise AssertionError("no free block of ports")


def start(folder: Path, base: int) -> "subprocess.Popen[bytes]":
    with (folder.parent / "up.log").open("ab") as log:
        up = subprocess.Popen(
            siyu("up", "--dir", str(folder), "--base-port", str(base)), stdout=log, stderr=log
        )
    deadline = time.monotonic() + 60
    while not (folder / "platform.json").exists():
        assert up.poll() is None, (folder.parent / "up.log").read_text()
        assert time.monotonic() < deadline, "not ready in 60 s"
        time.sleep(0.1)
    return up


def stop(up: "subprocess.Popen[bytes]") -> None:
    children = psutil.Process(up.pid).children(recursive=True)
    assert children
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert not [child for child in children if child.is_running()]


def test_up_is_used_refused_twice_stopped_and_started_again(tmp_path: Path) -> None:
    folder, base = tmp_path / "siyu", free_block()
    at = ("--dir", str(folder))
    up = start(folder, base)
    try:
        first = json.loads((folder / "platform.json").read_text())
        doctor = run("doctor", *at)
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        assert run("token", *at).stdout.strip()
        asked = run("call", *at, "analytics", "GetWatermark", '{"project_id":"demo"}')
        assert isinstance(json.loads(asked.stdout), dict), asked.stderr
        wrong = '{"project_id":"demo","cell_token":"x"}'
        refused = run("call", *at, "analytics", "ListMembers", wrong)
        assert refused.returncode == 1
        assert refused.stderr.strip() or refused.stdout.strip()
        account = run("reconcile", *at)
        assert account.returncode == 0, account.stderr
        assert "balanced" in account.stdout
        listed = run("dead-letters", "list", "analytics", *at)
        assert listed.stdout.strip() == "no open dead letters", listed.stderr
        missing = run("dead-letters", "show", "analytics", "7", *at)
        assert missing.returncode == 1
        assert "DEAD_LETTER_NOT_FOUND" in missing.stderr
        second = run("up", *at, "--base-port", str(base))
        assert second.returncode == 1
        assert f"already running in {folder} (pid {up.pid})" in second.stderr
        assert json.loads((folder / "platform.json").read_text()) == first
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "logs").stat().st_mode & 0o077 == 0
        stop(up)
        up = start(folder, base)
        assert json.loads((folder / "platform.json").read_text()) == first
        stop(up)
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(30)
