"""`siyu smoke` on a platform that runs, and on one where something is missing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from siyu_client.commands import running
from siyu_client.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STEPS = ("collect took", "identity made one person", "count one person", "membership", "inbox")


def smoke(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "siyu_client.cli", "smoke", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environ
    )


async def test_an_event_goes_the_whole_way_twice(platform: Platform) -> None:
    running.publish(platform)
    for _ in range(2):
        done = await asyncio.to_thread(smoke, "--dir", str(platform.folder), "--project", "smoke")
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(step in done.stdout for step in STEPS), done.stdout


async def test_targets_and_a_key_are_enough(platform: Platform) -> None:
    environ = {
        f"SIYU_{name.upper()}_TARGET": address.target
        for name, address in platform.addresses.items()
    }
    environ["SIYU_AUTH_SIGNING_KEY_FILE"] = str(platform.credentials.issuer_key_file)
    done = await asyncio.to_thread(smoke, **environ)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_missing_is_said() -> None:
    nowhere = smoke()
    assert nowhere.returncode == 1
    assert "SIYU_COLLECT_TARGET" in nowhere.stdout


def test_keys_are_made_once(tmp_path: Path) -> None:
    def make() -> dict[str, bytes]:
        command = [sys.executable, "-m", "siyu_client.cli", "keys", str(tmp_path / "keys")]
        subprocess.run([*command, "--project", "a"], check=True, capture_output=True, timeout=30)
        return {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}

    first = make()
    assert {"issuer.key.pem", "issuer.pub.pem", "identity.key", "write_keys.json"} <= first.keys()
    assert {"write_key.a"} <= first.keys()
    assert make() == first
