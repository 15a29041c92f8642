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


def download(target: Path, pins: str) -> int:
    """Download a lock's files into the folder; pip's exit code, its words when that is not 0."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(pins)
        lock.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, "-d", str(target), "-r", lock.name],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        sys.stderr.write(done.stderr)
    return done.returncode


def files_of(target: Path, lock: str) -> list[Path] | None:
    """The folder's files that a lock accepts, whole; None when a pin has none."""
    present = {sbom.digest(path): path for path in target.glob("*.whl")}
    parts = sbom.components(lock)
    if not all(present.keys() & set(part.hashes) for part in parts):
        return None
    accepted = {value for part in parts for value in part.hashes}
    return [path for value, path in present.items() if value in accepted]


def main() -> int:
    """Downloads what is missing, and returns pip's exit code when it fails."""
    target, *locks = sys.argv[1:]
    for path in locks:
        lock = Path(path).read_text()
        if files_of(Path(target), lock) is not None:
            continue
        if failed := download(Path(target), wanted(lock)):
            return failed
    return 0


if __name__ == "__main__":
    sys.exit(main())
