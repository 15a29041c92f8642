"""`siyu doctor`: says what this machine lacks."""

import argparse
import platform as machine
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from rich.console import Console

from siyu_client.commands import running
from siyu_client.platform.redis_server import find_redis
from siyu_client.platform.services import SERVICES

_MIN_FREE_GB = 2
_MIN_MEMORY_GB = 4


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is there, and what to do if not."""

    what: str
    found: str
    good: bool
    needed: bool = True


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("doctor", help="say what this machine lacks")
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print all findings; fail when something needed is missing."""
    console = Console()
    findings = list(examine(options.dir))
    for finding in findings:
        mark = (
            "[green]ok  [/]"
            if finding.good
            else "[red]lack[/]"
            if finding.needed
            else "[yellow]note[/]"
        )
        console.print(mark, f"{finding.what}: {finding.found}", highlight=False)
    return 0 if all(finding.good or not finding.needed for finding in findings) else 1


def examine(folder: Path) -> Iterator[Finding]:
    """Look at the interpreter, the services, the stream server, the test servers and the disk."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", version, sys.version_info >= (3, 11))
    yield Finding("machine", machine.machine(), machine.machine() in {"x86_64", "aarch64", "arm64"})
    missing = [spec.name for spec in SERVICES if util.find_spec(f"siyu_{spec.name}") is None]
    yield Finding(
        "services",
        f"missing: {', '.join(missing)}; run `make setup`" if missing else "all six",
        not missing,
    )
    engine = util.find_spec("chdb") is not None
    yield Finding("chDB", "installed" if engine else "missing; run `make setup`", engine)
    redis = find_redis()
    lack = "none; apt-get install redis-server"
    yield Finding(
        "stream server", f"{redis.path} ({redis.origin})" if redis else lack, redis is not None
    )
    postgres = _postgres()
    hint = "none; only the tests need it: apt-get install postgresql"
    yield Finding("PostgreSQL", postgres or hint, postgres is not None, needed=False)
    free = shutil.disk_usage(_existing(folder)).free / 1e9
    yield Finding("free disk", f"{free:.0f} GB", free >= _MIN_FREE_GB)
    memory = _available_memory_gb()
    yield Finding("available memory", f"{memory:.1f} GB", memory >= _MIN_MEMORY_GB, needed=False)


def _postgres() -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return str(found[-1]) if found else shutil.which("postgres")


def _existing(folder: Path) -> Path:
    absolute = folder.resolve()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def _available_memory_gb() -> float:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1e6
    return 0.0
