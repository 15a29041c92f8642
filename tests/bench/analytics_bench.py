"""The analysis models beside SQL written by hand, at one size and at ten times it.

10 million events of 500 000 identifiers, or EVENTS of them; BIG=1: 50 million. Each size is
measured in a process of its own (``analytics_run.py``).

``analytics.<model>.vs_sql``: time of the RPC to that of the statement, nobody moved.
``analytics.<model>.moved``: time with one identifier in twenty moved to that with none.
``analytics.<model>.growth``: time to that at a tenth of the events.
"""

import os

from child import figures_of

BIG = 50_000_000
EVENTS = int(os.environ.get("EVENTS", BIG if os.environ.get("BIG") else 10_000_000))


def run() -> dict[str, float]:
    """Flat figures."""
    tenth, whole = (
        figures_of("analytics_run.py", str(events)) for events in (EVENTS // 10, EVENTS)
    )
    figures: dict[str, float] = {}
    for model, own in whole["own"].items():
        moved = whole["moved"][model]
        name = f"analytics.{model}"
        figures[f"{name}.s"] = own["rpc_s"]
        figures[f"{name}.peak_mb"] = max(own["peak_mb"], moved["peak_mb"])
        figures[f"{name}.vs_sql"] = own["rpc_s"] / own["sql_s"]
        figures[f"{name}.vs_sql_moved"] = moved["rpc_s"] / moved["sql_s"]
        figures[f"{name}.moved"] = moved["rpc_s"] / own["rpc_s"]
        figures[f"{name}.growth"] = own["rpc_s"] / tenth["own"][model]["rpc_s"]
    return figures
