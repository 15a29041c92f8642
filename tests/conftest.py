"""What every test starts from."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
    """Spread files that start processes evenly: side by side, or last, they would be slowest."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    kinds: tuple[list[Path], list[Path]] = ([], [])
    for path in files:
        kinds[any(folder in path.parts for folder in _PROCESSES)].append(path)
    places = {path: (no + 0.5) / len(kind) for kind in kinds for no, path in enumerate(kind)}
    items[:] = [item for path in sorted(files, key=places.__getitem__) for item in files[path]]


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
