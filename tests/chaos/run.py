"""The nemesis as a command: run.py --cycles 200 --seed 7 (make chaos N=200 SEED=7).

The seed decides which faults come in which order; when exactly they strike is up to the machine.
The last lines say what was met and how long each service took to recover; all of it lands in
``chaos.json`` too. The platform's data lies in memory where the machine allows: processes are
killed here, not the machine, so nothing hangs on the disk.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.faults import every_failpoint
from chaos.nemesis import CHECK_EVERY, PromiseBroken, Run
from siyu_kit.failpoints.registry import FAILPOINTS
from siyu_kit.testing.postgres import PostgresServer
from support.tree import WITH_DATABASE

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


def main() -> int:
    """The exit status: 1 when a promise was broken, or not all failpoints were met."""
    options = _options()
    seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
    folder = options.folder or Path(
        tempfile.mkdtemp(prefix="siyu-chaos-", dir=_MEMORY if _MEMORY.is_dir() else None)
    )
    folder.mkdir(parents=True, exist_ok=True)
    visits = every_failpoint(random.Random(seed))
    if options.visit is not None:
        visits = [(name, service) for name, _, service in
                  (text.partition("@") for text in reversed(options.visit))]  # fmt: skip
    again = f"make chaos N={options.cycles} SEED={seed} STORE={options.store}"
    print(f"{again}   (folder {folder})", flush=True)
    server = PostgresServer() if options.store == "postgres" else None
    run = Run(folder, seed, options.cycles, visits, check_every=options.check_every)
    if server is not None:
        run.database_port = server.port
        run.databases = {name: server.url(server.create_database()) for name in WITH_DATABASE}
    started, failure = time.monotonic(), ""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except PromiseBroken as error:
        failure = str(error)
    finally:
        if server is not None:
            server.stop()
    return _conclude(run, failure, again, time.monotonic() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="0: any")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--check-every", type=int, default=CHECK_EVERY)
    parser.add_argument("--visit", nargs="*", default=None, help="name@service, in this order")
    return parser.parse_args()


def _conclude(run: Run, failure: str, again: str, took_s: float) -> int:
    """Print what came of it, write it down, and say how to repeat it."""
    missed, figures = run.missed(), run.figures()
    print(f"\nfaults: {dict(run.told)}")
    print(f"failpoints met: {len(FAILPOINTS) - len(missed)} of {len(FAILPOINTS)}")
    for key, value in figures.items():
        print(f"  {key:34s} {value:6.2f}")
    for text, number in run.journal.errors.most_common():
        print(f"  senders met {number:5d} x {text}")
    if missed and run.cycles >= len(FAILPOINTS) and not failure:
        failure = f"failpoints nobody died at: {', '.join(missed)}"
    result = {
        "seed": run.seed,
        "cycles": run.cycles,
        "seconds": round(took_s),
        "passed": not failure,
        "failure": failure,
        "missed": missed,
        "skipped": run.skipped,
        "faults": run.told,
        "figures": figures,
    }
    report = run.folder / "chaos.json"
    report.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(f"\n{'FAILED' if failure else 'PASSED'} after {took_s:.0f} s; {report}")
    if failure:
        print(f"  {failure}\nRepeat: {again}")
        return 1
    if "KEEP" not in os.environ:
        shutil.rmtree(run.folder / "platform", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
