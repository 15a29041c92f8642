"""What a distribution declares is in the locks, so that a fresh install has it."""

import re
import tomllib

import pytest

from support.tree import ROOT

MEMBERS = {
    project["name"]: (path.parent, project["dependencies"])
    for path in sorted(
        (*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml"))
    )
    for project in [tomllib.loads(path.read_text())["project"]]
}


def test_the_workspace_lists_its_members():
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    folders = {str(folder.relative_to(ROOT)) for folder, _ in MEMBERS.values()}
    assert folders == set(workspace["members"])


@pytest.mark.parametrize("member", MEMBERS)
def test_development_has_what_is_declared(member):
    assert _declared(member) <= _locked("requirements-dev.txt")


@pytest.mark.parametrize(
    "member", [name for name in MEMBERS if "services" in MEMBERS[name][0].parts]
)
def test_an_image_has_what_is_declared(member):
    folder, _ = MEMBERS[member]
    assert _declared(member) <= _locked(folder / "requirements.txt")


def test_only_analytics_carries_the_engine():
    carriers = {
        path.parent.name
        for path in ROOT.glob("services/*/requirements.txt")
        if "chdb" in _locked(path)
    }
    assert carriers == {"analytics"}


def _declared(member):
    """Names of what a member needs from outside, through our own distributions too."""
    names = set()
    for requirement in MEMBERS[member][1]:
        name = _canonical(re.match(r"[\w.-]+", requirement)[0])
        names |= _declared(name) if name in MEMBERS else {name}
    return names


def _locked(path):
    return {
        _canonical(pin)
        for pin in re.findall(r"^([\w.-]+)==", (ROOT / path).read_text(), re.MULTILINE)
    }


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
