"""The folder that is carried to a place without a network, as `make bundle` makes it."""

import subprocess
import sys
from pathlib import Path

from support.tree import ROOT


def make_bundle(*, images: bool) -> Path:
    """Make it anew; without images it is for machines and takes a minute."""
    if images:
        subprocess.run([ROOT / "scripts/images.sh", "--archive"], check=True)
        subprocess.run([ROOT / "scripts/store-images.sh"], check=True)
    command = [sys.executable, ROOT / "scripts/bundle.py", *(() if images else ("--no-images",))]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return ROOT / made.stdout.splitlines()[-1].split(":")[0]
