"""Rules about text that no linter knows."""

import re
from collections import Counter

from support.tree import ROOT, text_files

# Joined here, so that this file does not hold what it forbids.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmmirror", "com"),
        ("mirrors", "aliyun", "com"),
        ("tuna", "tsinghua", "edu", "cn"),
        ("proxy", "golang", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("registry", "k8s", "io"),
    )
]
CONFLICT_CLAUSE = "on_" + "conflict"
UPSERT = "libs/kit/src/siyu_kit/sql/upsert.py"


def test_no_file_names_a_registry_host():
    host = re.compile("|".join(map(re.escape, REGISTRIES)), re.IGNORECASE)
    named = [f"{path}: {found[0]}" for path, text in text_files() if (found := host.search(text))]
    assert named == []


def test_requirements_carry_hashes_and_no_place():
    for path in (ROOT / "requirements-dev.txt", *ROOT.glob("services/*/requirements.txt")):
        text = path.read_text()
        assert not re.search(r"://|^-|file:|/work|/home", text, re.MULTILINE), path
        pins = re.findall(r"^[a-z0-9].*$", text, re.MULTILINE)
        assert pins, path
        assert all("==" in pin and pin.endswith("\\") for pin in pins), path


def test_upserts_are_built_in_one_place():
    elsewhere = [
        str(path)
        for path, text in text_files()
        if path.suffix == ".py" and CONFLICT_CLAUSE in text and str(path) != UPSERT
    ]
    assert elsewhere == []


def test_test_files_have_names_of_their_own():
    names = Counter(path.name for path in ROOT.glob("tests/**/test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
