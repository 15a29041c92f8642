"""Downloads the wheels that an image needs: ``wheelhouse.py <folder> <lock>...``.

An image's Python 3.11 need not be the one that runs this, so pins of either are taken; every file
is checked against the lock's hashes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import sbom


def wanted(lock: str) -> str:
    """The lock's pins for images, without their markers."""
    return "".join(
        f"{part.name}=={part.version}"
        + "".join(f" \\\n    --hash=sha256:{value}" for value in part.hashes)
        + "\n"
        for part in sbom.components(lock)
    )


def main() -> int:
    """Downloads, and returns pip's exit code when it fails."""
    target, *locks = sys.argv[1:]
    for lock in locks:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            pins.write(wanted(Path(lock).read_text()))
            pins.flush()
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
            done = subprocess.run(
                [*command, "-d", target, "-r", pins.name],
                check=False,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            sys.stderr.write(done.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
