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
MODELS = (
    "attribute",
    "attribution",
    "channel",
    "distribution",
    "events",
    "funnel",
    "heatmap",
    "interval",
    "ltv",
    "path",
    "realtime",
    "retention",
    "session",
)
TARGETS = {
    "admission.light_p95_ratio": ("<=", 3.0),
    "admission.sink_lag_p95_s": ("<=", 2.0),
    "admission.sink_vs_alone": (">=", 0.8),
    "analysts.dashboard_s": ("<=", 10),
    "analysts.fewest_answers": (">=", 1),
    **{f"analytics.{model}.vs_sql": ("<=", 1.2) for model in MODELS},
    **{f"analytics.{model}.vs_sql_moved": ("<=", 1.2) for model in MODELS},
    **{f"analytics.{model}.moved": ("<=", 1.3) for model in MODELS},
    **{f"analytics.{model}.growth": ("<=", 11) for model in MODELS},
    "collect.durable_events_per_s": (">=", 60_000),
    "collect.telemetry_events_per_s": (">=", 100_000),
    "collect.vs_floor": (">=", 0.5),
    "demo.seconds": ("<=", 180),
    "identity.link_vs_floor": (">=", 0.15),
    "identity.resolve_vs_floor": (">=", 0.5),
    "identity.restitch_edges_per_s": (">=", 250_000),
    "identity.restitch_growth": ("<=", 12),
    "pipeline.events_per_s": (">=", 40_000),
    "pipeline.visible_p95_s": ("<=", 2.0),
    "pipeline.visible_at_10k_p95_s": ("<=", 2.0),
    "profile.get_vs_floor": (">=", 0.6),
    "sizing.cpu.vs_foretold": ("<=", 1.2),
    "sizing.disk.db_identity.vs_foretold": ("<=", 1.2),
    "sizing.disk.db_profile.vs_foretold": ("<=", 1.2),
    "sizing.disk.engine.vs_foretold": ("<=", 1.2),
}


def names() -> list[str]:
    """Benchmarks of this folder."""
    return sorted(path.stem.removesuffix("_bench") for path in HERE.glob("*_bench.py"))


def missed(key: str, value: float) -> bool:
    """Whether a figure has a target and does not reach it."""
    if key not in TARGETS:
        return False
    sign, target = TARGETS[key]
    return not (value >= target if sign == ">=" else value <= target)


def verdict(key: str, value: float) -> str:
    """How a figure stands to its target."""
    if key not in TARGETS:
        return ""
    sign, target = TARGETS[key]
    return f"  ({'NOT MET' if missed(key, value) else 'met'}: {sign} {target:,})"


def main(wanted: list[str]) -> int:
    """Run them one after the other; figures of benchmarks not run stay in the file.

    Returns the exit status: 1 when a figure measured now misses its target.
    """
    sys.path.insert(0, str(HERE))
    RESULT.parent.mkdir(exist_ok=True)
    figures: dict[str, float] = {}
    measured: dict[str, float] = {}
    if RESULT.exists() and wanted:
        figures = json.loads(RESULT.read_text(encoding="utf-8"))
    for name in wanted or names():
        started = time.monotonic()
        found = importlib.import_module(f"{name}_bench").run()
        print(f"{name}  ({time.monotonic() - started:.0f} s)")
        for key, value in sorted(found.items()):
            print(f"  {key:34} {value:>14,.3f}{verdict(key, value)}")
        measured.update(found)
    figures.update(measured)
    RESULT.write_text(json.dumps(figures, indent=2, sort_keys=True), encoding="utf-8")
    print(f"written to {RESULT.relative_to(HERE.parents[1])}")
    misses = [key for key, value in sorted(measured.items()) if missed(key, value)]
    for key in misses:
        print(f"missed  {key:34} {measured[key]:>14,.3f}{verdict(key, measured[key])}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
