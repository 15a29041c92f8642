"""Runs the benchmarks and writes their figures to build/bench.json: run.py [name ...].

Each module of this folder named ``<name>_bench.py`` has ``run() -> dict[str, float]``: flat keys,
each figure beside its floor or peer measured in the same run.
"""

import importlib
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULT = HERE.parents[1] / "build" / "bench.json"
TARGETS = {
    "collect.durable_events_per_s": (">=", 60_000),
    "collect.vs_floor": (">=", 0.5),
    "pipeline.events_per_s": (">=", 40_000),
    "pipeline.visible_p95_s": ("<=", 2.0),
    "profile.get_vs_floor": (">=", 0.6),
}


def names() -> list[str]:
    """Benchmarks of this folder."""
    return sorted(path.stem.removesuffix("_bench") for path in HERE.glob("*_bench.py"))


def verdict(key: str, value: float) -> str:
    """How a figure stands to its target."""
    if key not in TARGETS:
        return ""
    sign, target = TARGETS[key]
    met = value >= target if sign == ">=" else value <= target
    return f"  ({'met' if met else 'NOT MET'}: {sign} {target:,})"


def main(wanted: list[str]) -> None:
    """Run them one after the other; figures of benchmarks not run stay in the file."""
    sys.path.insert(0, str(HERE))
    RESULT.parent.mkdir(exist_ok=True)
    figures: dict[str, float] = {}
    if RESULT.exists() and wanted:
        figures = json.loads(RESULT.read_text(encoding="utf-8"))
    for name in wanted or names():
        started = time.monotonic()
        found = importlib.import_module(f"{name}_bench").run()
        print(f"{name}  ({time.monotonic() - started:.0f} s)")
        for key, value in sorted(found.items()):
            print(f"  {key:34} {value:>14,.3f}{verdict(key, value)}")
        figures.update(found)
    RESULT.write_text(json.dumps(figures, indent=2, sort_keys=True), encoding="utf-8")
    print(f"written to {RESULT.relative_to(HERE.parents[1])}")


if __name__ == "__main__":
    main(sys.argv[1:])
