"""Writes build/bundle/siyu-<version>: all that an installation without a network needs.

``bundle.py [--no-images]``: wheels of every third-party package and of ours under one lock, the
chart, the images (built before by images.sh and store-images.sh --archive), their SBOMs, and the
digest of every file. The wheels are for the Python and the processor that this runs on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import helm_python
import sbom
import wheelhouse

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGES: Final = ROOT / "build/images"
WHEELS: Final = ROOT / "build/wheelhouse"
STORES: Final = ("postgres", "redis")
TEXTS: Final = ROOT / "scripts/bundle"
DIGESTS: Final = "SHA256SUMS"


def members() -> list[Path]:
    """Folders of our own distributions, those that others need first."""
    libs = [ROOT / "libs" / name for name in ("protos", "kit", "client", "demo")]
    return [*libs, *sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))]


def locks() -> list[Path]:
    """The lock of each member that has one."""
    return [lock for member in members() if (lock := member / "requirements.txt").exists()]


def third_party() -> list[sbom.Component]:
    """Every pin of every lock, once."""
    pins = {part for lock in locks() for part in sbom.components(lock.read_text())}
    names = [part.name for part in pins]
    torn = {name for name in names if names.count(name) > 1}
    if torn:
        raise sbom.SbomError(f"locked at more than one version: {', '.join(sorted(torn))}")
    return sorted(pins, key=lambda part: part.name)


def take_wheels(folder: Path, pins: list[sbom.Component]) -> None:
    """Link the pins' files in, downloading what the images did not need."""
    for wheel in wheelhouse.fetch(WHEELS, pins):
        os.link(wheel, folder / wheel.name)


def build_wheels(folder: Path) -> list[sbom.Component]:
    """Build our own distributions into the folder; their pins."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    command += ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    # Dates inside the wheels are those of the last change: the same tree makes the same wheels.
    dated = ("git", "-C", str(ROOT), "log", "-1", "--format=%ct")
    epoch = subprocess.run(dated, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(
        [*command, *map(str, members())],
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
    )
    pins = []
    for member in members():
        project = sbom.project_of(member)
        name, version = project["name"], project["version"]
        (wheel,) = folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")
        pins.append(sbom.Component(name, version, (sbom.digest(wheel),)))
    return pins


def write_digests(folder: Path) -> int:
    """List every file in SHA256SUMS; their size in bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sbom.digest(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / DIGESTS).write_text("".join(lines))
    return sum(path.stat().st_size for path in files)


def take_images(folder: Path) -> None:
    """Link the archives in: they are large, and are not changed afterwards."""
    folder.mkdir()
    for name in (*sbom.images(), *STORES):
        archive = IMAGES / f"{name}.tar"
        if not archive.exists():
            raise FileNotFoundError(f"{archive}: run scripts/images.sh --archive first")
        os.link(archive, folder / archive.name)


def main() -> int:
    """Writes the folder anew and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-images", action="store_true", help="for machines, not for a cluster")
    wanted = parser.parse_args()
    version = sbom.project_of(ROOT / "libs/kit")["version"]
    target = ROOT / "build/bundle" / f"siyu-{version}"
    shutil.rmtree(target, ignore_errors=True)
    wheels = target / "wheelhouse"
    wheels.mkdir(parents=True)
    pins = third_party()
    take_wheels(wheels, pins)
    own = build_wheels(wheels)
    (target / "requirements.txt").write_text(wheelhouse.lock_text(pins + own))
    (target / "chart").mkdir()
    helm_python.package(ROOT / "charts/siyu", destination=str(target / "chart"))
    if refused := sbom.write(target / "sbom"):
        print("\n".join(refused), file=sys.stderr)
        return 1
    if not wanted.no_images:
        take_images(target / "images")
    for text in TEXTS.iterdir():
        shutil.copy(text, target / text.name)
    shutil.copy(ROOT / "LICENSE", target / "LICENSE")
    size = write_digests(target)
    print(f"{target.relative_to(ROOT)}: {size / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
