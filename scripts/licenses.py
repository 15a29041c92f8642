"""Holds every installed package to policy/licenses.toml: a line for each that is not allowed.

A package is shipped when a service's requirements.txt names it; all others are tools and tests.
An expression holds when all parts of an AND and one part of an OR are allowed; unknown never is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Prints the verdict and returns the exit code."""
    policy = tomllib.loads((ROOT / "policy/licenses.toml").read_text())
    carried = shipped()
    overrides = {canonical(name): text for name, text in policy["overrides"].items()}
    refused = []
    packages = installed()
    for package in packages:
        name = canonical(package["Name"])
        stated = overrides.get(name, package["License"])
        if not holds(stated, policy["spellings"], allowed(name, carried, policy)):
            place = "shipped" if name in carried else "development"
            refused.append(f"{package['Name']} {package['Version']} ({place}): {stated}")
    for line in refused:
        print(f"not allowed: {line}", file=sys.stderr)
    print(f"{len(packages)} packages, {len(carried)} shipped, {len(refused)} not allowed.")
    return 1 if refused else 0


def installed() -> list[dict[str, str]]:
    """Every package of this environment, with the licence its metadata states."""
    tool = Path(sys.executable).with_name("pip-licenses")
    command = [str(tool), "--from=mixed", "--format=json", "--with-system"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packages: list[dict[str, str]] = json.loads(listing)
    return packages


def shipped() -> set[str]:
    """Names of what images carry."""
    paths = (*ROOT.glob("services/*/requirements.txt"), ROOT / "libs/client/requirements.txt")
    texts = [path.read_text() for path in paths]
    return {name for text in texts for name in re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)}


def allowed(name: str, shipped: set[str], policy: dict[str, Any]) -> set[str]:
    """The licences that a package may have; less where it is shipped."""
    extra = [policy["unmodified"][name]] if name in policy["unmodified"] else []
    return {*policy["allow"], *extra, *(() if name in shipped else policy["dev_only"])}


def expression(stated: str, spellings: dict[str, str]) -> str:
    """What metadata states, as SPDX writes it."""
    for spelling in sorted(spellings, key=len, reverse=True):
        stated = stated.replace(spelling, spellings[spelling])
    # Classifiers come joined by semicolons: each of them binds, and one may be said twice.
    return " AND ".join(dict.fromkeys(part.strip() for part in stated.split(";")))


def holds(stated: str, spellings: dict[str, str], allowed: set[str]) -> bool:
    """Whether a stated licence is one of those."""
    tokens = re.findall(r"[()]|[^\s()]+", expression(stated, spellings))
    return bool(tokens) and _alternatives(tokens, allowed) and not tokens


def _alternatives(tokens: list[str], allowed: set[str]) -> bool:
    result = _conjunction(tokens, allowed)
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        result = _conjunction(tokens, allowed) or result
    return result


def _conjunction(tokens: list[str], allowed: set[str]) -> bool:
    result = _term(tokens, allowed)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        result = _term(tokens, allowed) and result
    return result


def _term(tokens: list[str], allowed: set[str]) -> bool:
    word = tokens.pop(0) if tokens else ""
    if word != "(":
        return word in allowed
    result = _alternatives(tokens, allowed)
    return bool(tokens) and tokens.pop(0) == ")" and result


def canonical(name: str) -> str:
    """A package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
