"""Writes build/sbom/<image>.cdx.json, a CycloneDX list of what each image carries.

Versions and hashes are those of the image's lock, licences what policy/licenses.toml makes of each
component's metadata. A component whose licence is not allowed fails, and so does one that is not
installed here, because nobody read its licence.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import licenses
from packaging.markers import Marker

ROOT: Final = Path(__file__).resolve().parent.parent
OWN_LICENSE: Final = "Apache-2.0"
_PIN: Final = re.compile(
    r"^(?P<name>[a-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+))?"
    r"(?P<rest>(?:.*\\\n)*.*)$",
    re.MULTILINE,
)
# An image is Linux with some Python 3.11, on either processor.
_PLACES: Final = [
    {
        "python_version": "3.11",
        "python_full_version": full,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }
    for full in ("3.11.0", "3.11.99")
    for machine in ("x86_64", "aarch64")
]
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class SbomError(Exception):
    """A component that nobody has vouched for; the message names all of them."""


@dataclass(frozen=True)
class Component:
    """One locked package."""

    name: str
    version: str
    hashes: tuple[str, ...]


def images() -> dict[str, Path]:
    """Image -> folder of its distribution."""
    folders = [path.parent for path in sorted(ROOT.glob("services/*/requirements.txt"))]
    return {folder.name: folder for folder in (*folders, ROOT / "libs/client")}


def components(lock: str) -> list[Component]:
    """What a requirement file pins for some image."""
    return [
        Component(found["name"], found["version"], tuple(_HASH.findall(found["rest"])))
        for found in _PIN.finditer(lock)
        if not found["marker"] or _is_for_images(found["marker"])
    ]


def _is_for_images(marker: str) -> bool:
    return any(Marker(marker.strip()).evaluate(place) for place in _PLACES)


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal, as locks have it."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def project_of(folder: Path) -> dict[str, Any]:
    """What a distribution says of itself in its pyproject.toml."""
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def own(folder: Path) -> list[Component]:
    """Our own distributions in the image of ``folder``."""
    projects = [project_of(path) for path in (ROOT / "libs/protos", ROOT / "libs/kit", folder)]
    return [Component(project["name"], project["version"], ()) for project in projects]


def licence_of(
    component: Component, installed: dict[str, dict[str, str]], policy: dict[str, Any]
) -> str:
    """The licence expression of a component; SbomError when it is unknown or not allowed."""
    found = installed.get(component.name)
    if found is None or found["Version"] != component.version:
        if component.name in policy["elsewhere"]:
            return str(policy["elsewhere"][component.name])
        raise SbomError(f"{component.name} {component.version}: not installed, licence not read")
    overrides = {licenses.canonical(name): text for name, text in policy["overrides"].items()}
    stated: str = overrides.get(component.name, found["License"])
    allowed = licenses.allowed(component.name, {component.name}, policy)
    if not licenses.holds(stated, policy["spellings"], allowed):
        raise SbomError(f"{component.name} {component.version}: not allowed: {stated}")
    return licenses.expression(stated, policy["spellings"])


def document(
    image: str, parts: list[tuple[Component, str]], ours: list[Component]
) -> dict[str, Any]:
    """The CycloneDX document of one image; the same parts make the same document."""
    main = ours[-1]
    content = "\n".join(f"{c.name}=={c.version} {licence}" for c, licence in parts)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"siyu/{image}/{main.version}/{content}")
    third = [_entry(component, licence, "library") for component, licence in parts]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": _entry(main, OWN_LICENSE, "application")},
        "components": [*third, *(_entry(part, OWN_LICENSE, "library") for part in ours[:-1])],
        "dependencies": [],
    }


def _entry(component: Component, licence: str, kind: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{component.name}@{component.version}"
    return {
        "type": kind,
        "bom-ref": purl,
        "name": component.name,
        "version": component.version,
        "purl": purl,
        "licenses": [{"expression": licence}],
        # Of every file that the lock accepts: one for each platform and interpreter.
        "properties": [{"name": "siyu:sha256", "value": value} for value in component.hashes],
    }


def write(target: Path) -> list[str]:
    """Write every image's document; what nobody vouches for, over all images."""
    policy = tomllib.loads((ROOT / "policy/licenses.toml").read_text())
    installed = {licenses.canonical(item["Name"]): item for item in licenses.installed()}
    target.mkdir(parents=True, exist_ok=True)
    refused: dict[str, None] = {}
    for image, folder in images().items():
        parts = []
        for component in components((folder / "requirements.txt").read_text()):
            try:
                parts.append((component, licence_of(component, installed, policy)))
            except SbomError as error:
                refused[str(error)] = None
        text = json.dumps(document(image, parts, own(folder)), indent=2)
        (target / f"{image}.cdx.json").write_text(text + "\n", encoding="utf-8")
    return list(refused)


def main() -> int:
    """Writes, and returns the exit code."""
    target = ROOT / "build/sbom"
    refused = write(target)
    for line in refused:
        print(line, file=sys.stderr)
    print(f"{len(images())} lists in {target.relative_to(ROOT)}, {len(refused)} not vouched for.")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
