"""Fifty analysts at once, and a dashboard of ten panels; see ``analysts_run.py``.

EVENTS (10 million) and SECONDS (180) make it smaller. ``fewest_answers``: of any analyst; nobody
starves while it is above 0.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

EVENTS = os.environ.get("EVENTS", "10000000")
SECONDS = os.environ.get("SECONDS", "180")


def run() -> dict[str, float]:
    """Flat figures."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("analysts_run.py")), EVENTS, SECONDS],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {f"analysts.{name}": value for name, value in figures.items()}
