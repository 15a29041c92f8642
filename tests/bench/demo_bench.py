"""The demo as a newcomer sees it: wall time, and memory of every process before and after.

Every number of its story is compared with the truth: a wrong one is no figure but a failure.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST_S = 1_200


def run() -> dict[str, float]:
    """Seconds from the start of the command's work to its end, and MB."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as name:
        file = Path(name) / "figures.json"
        command = [sys.executable, "-m", "siyu_demo", "--figures", str(file)]
        story = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        if story.returncode != 0:
            raise RuntimeError(f"the demo ended with {story.returncode}:\n{story.stdout[-4000:]}")
        found = json.loads(file.read_text(encoding="utf-8"))
    return {"demo.seconds": found["seconds"]} | {
        f"rss_mb.{process}.{moment}": mb
        for moment, processes in found["rss_mb"].items()
        for process, mb in processes.items()
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
