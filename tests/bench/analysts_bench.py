"""Fifty analysts at once, and a dashboard of ten panels; see ``analysts_run.py``.

EVENTS (10 million) and SECONDS (180) make it smaller. ``fewest_answers``: of any analyst; nobody
starves while it is above 0.
"""

import os

from child import figures_of

EVENTS = os.environ.get("EVENTS", "10000000")
SECONDS = os.environ.get("SECONDS", "180")


def run() -> dict[str, float]:
    """Flat figures."""
    figures = figures_of("analysts_run.py", EVENTS, SECONDS)
    return {f"analysts.{name}": value for name, value in figures.items()}
