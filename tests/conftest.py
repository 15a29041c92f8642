"""What every test starts from."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pytest
import structlog
from hypothesis import settings

# Read when gRPC starts. Its fork handlers revive threads in a child that is about to exec, and
# the child aborts: tests start processes while servers and channels of their own are open.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# Processes and servers are killed here, the machine is not: what they wrote need not be on a disk,
# and a third of the time goes into putting it there. Who sets TMPDIR has their way.
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest and mkdtemp make folders of their own in it
_ENOUGH = 6_000_000_000
if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

# Before the plugin is loaded: the contract suites in it assert, and are to say what differed.
pytest.register_assert_rewrite("siyu_kit.testing")

# Blocks sockets in the fast tier; starts real servers for who asks.
pytest_plugins = ["siyu_kit.testing.plugin"]

# On shared cores a slow example is no failure: pytest-timeout bounds the whole test.
# The blob lets a failure be repeated elsewhere.
settings.register_profile("siyu", deadline=None, print_blob=True)
settings.load_profile("siyu")

# What a process under test logs without a configuration of its own. An exception's traceback as
# structlog prints it by itself, with colours and locals, takes seconds of a core.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

_PROCESSES = ("integration", "e2e", "chaos")
"""Folders whose tests start processes: each of those fills more than one core for a while."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files that start processes evenly: side by side, or last, they would be slowest.

    What goes to one process whole goes first: it takes longest.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    kinds: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    for path in files:
        starts = any(folder in path.parts for folder in _PROCESSES)
        kinds[2 if _has_one_platform(path) else starts].append(path)
    places = {path: (no + 0.5) / len(kind) for kind in kinds for no, path in enumerate(kind)}
    places |= dict.fromkeys(kinds[2], 0.0)
    items[:] = [item for path in sorted(files, key=places.__getitem__) for item in files[path]]


def _has_one_platform(file: PurePath) -> bool:
    """Whether a file's folder has a platform for all of its tests."""
    return file.parent.parent.name == "e2e"


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files go to processes one by one, but a folder under e2e goes whole: it has one platform."""
    from xdist.scheduler import LoadFileScheduling

    class OnePlatformScheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            path = PurePosixPath(file)
            return str(path.parent) if _has_one_platform(path) else file

    return OnePlatformScheduling(config, log)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are no name: gzip writes the time, and every worker is to collect the same."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """A test may configure the log of its process; those after it find it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    found = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**found)
