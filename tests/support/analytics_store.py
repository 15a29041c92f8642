"""The event store under test: chDB takes one path a process, so all of a process share it.

Tests keep apart by project. Batches pass through tables that belong to the sink alone; tests of
one process run one after the other, so that they may share those as well.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.store.schema import statements

_open: list[ChdbEngine] = []


async def shared_engine() -> ChdbEngine:
    """The engine of this process, with its tables; closed and removed when the process ends."""
    if not _open:
        path = Path(tempfile.mkdtemp(prefix="siyu-engine-"))
        engine = ChdbEngine(path, Limits(threads=3, timeout_s=30))
        for statement in statements(duplicate_window_days=0):
            await engine.command(statement)
        atexit.register(_remove, engine, path)
        _open.append(engine)
    return _open[0]


async def engine_beside(limits: Limits, name: str = "beside") -> ChdbEngine:
    """Another engine on the same tables, under limits of its own; whoever opens it closes it."""
    return ChdbEngine((await shared_engine()).path, limits, name=name)


def _remove(engine: ChdbEngine, path: Path) -> None:
    engine.close()
    shutil.rmtree(path, ignore_errors=True)
