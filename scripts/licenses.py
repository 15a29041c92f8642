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
    shipped = _shipped()
    overrides = {_canonical(name): text for name, text in policy["overrides"].items()}
    refused = []
    packages = _installed()
    for package in packages:
        name = _canonical(package["Name"])
        expression = overrides.get(name, package["License"])
        if not _holds(expression, policy["spellings"], _allowed(name, shipped, policy)):
            place = "shipped" if name in shipped else "development"
            refused.append(f"{package['Name']} {package['Version']} ({place}): {expression}")
    for line in refused:
        print(f"not allowed: {line}", file=sys.stderr)
    print(f"{len(packages)} packages, {len(shipped)} shipped, {len(refused)} not allowed.")
    return 1 if refused else 0


def _installed() -> list[dict[str, str]]:
    tool = Path(sys.executable).with_name("pip-licenses")
    command = [str(tool), "--from=mixed", "--format=json", "--with-system"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packages: list[dict[str, str]] = json.loads(listing)
    return packages


def _shipped() -> set[str]:
    texts = [path.read_text() for path in ROOT.glob("services/*/requirements.txt")]
    return {name for text in texts for name in re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)}


def _allowed(name: str, shipped: set[str], policy: dict[str, Any]) -> set[str]:
    extra = [policy["unmodified"][name]] if name in policy["unmodified"] else []
    return {*policy["allow"], *extra, *(() if name in shipped else policy["dev_only"])}


def _holds(expression: str, spellings: dict[str, str], allowed: set[str]) -> bool:
    for spelling in sorted(spellings, key=len, reverse=True):
        expression = expression.replace(spelling, spellings[spelling])
    # Classifiers come joined by semicolons: each of them binds.
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace(";", " AND "))
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


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
