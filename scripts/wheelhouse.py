"""Downloads the wheels that an image needs: ``wheelhouse.py <folder> <lock>...``.

An image's Python 3.11 need not be the one that runs this, so pins of either are taken; every file
is checked against the lock's hashes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import sbom


class WheelsMissingError(Exception):
    """A locked file cannot be had; the message has pip's words."""


def lock_text(parts: Sequence[sbom.Component]) -> str:
    """A requirement file that accepts these files alone, without markers."""
    return "".join(
        f"{part.name}=={part.version}"
        + "".join(f" \\\n    --hash=sha256:{value}" for value in part.hashes)
        + "\n"
        for part in parts
    )


def fetch(target: Path, parts: Sequence[sbom.Component]) -> list[Path]:
    """Download what the folder lacks; the files of these pins. Raises WheelsMissingError."""
    files = files_of(target, parts)
    if files is None:
        _download(target, lock_text(parts))
        files = files_of(target, parts)
    if files is None:
        raise WheelsMissingError(f"{target} has not all that was downloaded into it")
    return files


def _download(target: Path, pins: str) -> None:
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
        raise WheelsMissingError(done.stderr)


def files_of(target: Path, parts: Sequence[sbom.Component]) -> list[Path] | None:
    """The folder's files that the pins accept, whole; None when a pin has none."""
    present = {sbom.digest(path): path for path in target.glob("*.whl")}
    if not all(present.keys() & set(part.hashes) for part in parts):
        return None
    accepted = {value for part in parts for value in part.hashes}
    return [path for value, path in present.items() if value in accepted]


def main() -> int:
    """Downloads what is missing; 1 and the reason when it cannot be had."""
    target, *locks = sys.argv[1:]
    try:
        for lock in locks:
            fetch(Path(target), sbom.components(Path(lock).read_text()))
    except WheelsMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
