"""Who may import whom, as .importlinter states it."""

import subprocess
import sys
from pathlib import Path

from support.tree import ROOT


def test_imports_keep_to_the_layers():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
