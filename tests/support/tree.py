"""The repository as files."""

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "libs/kit/pyproject.toml").read_text())["project"]["version"]
WITH_DATABASE = tuple(path.parent.name for path in sorted(ROOT.glob("services/*/migrations")))
"""The services that keep state in a database of their own."""


def text_files() -> Iterator[tuple[Path, str]]:
    """Every text file that is committed or would be: path relative to the root, and text."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in sorted(set(listing.split("\0")) - {""}):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            yield Path(name), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
