"""The command line of a service, as a Job, a probe and an operator use it."""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from siyu_kit.auth import write_key_pair
from support.tree import ROOT

# Its command line on an app that serves nothing.
WELL = """
from siyu_kit import command
from siyu_kit.config import CommonConfig
from siyu_kit.service import App

async def ready():
    return {ready}

async def build(config, runtime):
    return App(ready=ready)

command.main("collect", CommonConfig, build)
"""


async def _run(*arguments: str, **environ: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def _listening(path: Path, process: asyncio.subprocess.Process) -> None:
    for _ in range(500):
        if os.path.exists(path):  # noqa: ASYNC240, PTH110 - a look at a file of this test
            return
        assert process.returncode is None
        await asyncio.sleep(0.02)
    raise AssertionError("the service did not listen")


@pytest.mark.parametrize("well", [True, False])
async def test_health_says_what_the_service_says(tmp_path: Path, well: bool) -> None:
    signing, _ = write_key_pair(tmp_path)
    program = tmp_path / "service.py"
    program.write_text(WELL.format(ready=well))
    environ = {
        "SIYU_LISTEN": f"unix:{tmp_path / 'sock'}",
        "SIYU_DRAIN_DELAY_S": "0",
        "SIYU_AUTH_SIGNING_KEY_FILE": str(signing),
    }
    assert (await _run(str(program), "health", "liveness", **environ))[0] == 1
    service = await asyncio.create_subprocess_exec(sys.executable, str(program), env=environ)
    try:
        await _listening(tmp_path / "sock", service)
        assert (await _run("-m", "siyu_kit.health", "liveness", **environ))[0] == 0
        for _ in range(100):
            code, out = await _run(str(program), "health", **environ)
            if code == 0 or not well:
                break
        assert (code == 0) is well, out
        assert ("NOT_SERVING" in out) is not well
    finally:
        service.terminate()
        await service.wait()


async def test_migrate_brings_the_database_up_and_ends(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"
    for _ in range(2):
        code, out = await _run("-m", "siyu_segment.main", "migrate", SIYU_DATABASE_URL=url)
        assert code == 0, out
    with sqlite3.connect(tmp_path / "state.db") as database:
        newest = database.execute("SELECT version_num FROM alembic_version").fetchall()
    steps = sorted((ROOT / "services/segment/migrations/versions").glob("*.py"))
    assert newest == [(steps[-1].name.partition("_")[0],)]


async def test_migrate_without_a_database_fails_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite+aiosqlite:///{tmp_path / 'file' / 'state.db'}"
    code, out = await _run("-m", "siyu_segment.main", "migrate", SIYU_DATABASE_URL=url)
    assert code == 1
    assert "migration_failed" in out


async def test_settings_are_listed_with_their_meaning() -> None:
    code, out = await _run("-m", "siyu_touch.main", "settings")
    assert code == 0
    assert "SIYU_TOUCH_KEY (or SIYU_TOUCH_KEY_FILE): 64 hexadecimal characters" in out
    assert "\nSIYU_LOG_FORMAT: json or console [default 'json']\n" in out
    assert "SIYU_SEGMENT_TARGET: host:port or dns:///name:port [required]" in out


async def test_a_service_without_a_database_migrates_nothing() -> None:
    code, out = await _run("-m", "siyu_collect.main", "migrate")
    assert code == 2
    assert "invalid choice" in out


async def test_help_tells_the_commands() -> None:
    code, out = await _run("-m", "siyu_identity.main", "--help")
    assert code == 0
    for command in ("migrate", "health", "settings"):
        assert command in out
