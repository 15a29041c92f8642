"""Code and registry name the same failpoints, each in one place."""

import ast
from collections import Counter
from collections.abc import Iterator

from siyu_kit.failpoints.registry import FAILPOINTS
from support.tree import ROOT


def calls() -> Iterator[tuple[str, str]]:
    """Every call of ``failpoint`` in the product: its name and its file below ``src``."""
    for source in sorted(ROOT.glob("*/*/src/siyu_*/**/*.py")):
        text = source.read_text(encoding="utf-8")
        if "failpoint(" not in text:
            continue
        below = source.parts[source.parts.index("src") + 1 :]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{source}: a failpoint's name is a literal"
                yield name.value, "/".join(below)


def test_each_name_stands_where_the_registry_says_and_nowhere_else():
    found = list(calls())
    assert max(Counter(name for name, _ in found).values()) == 1
    assert dict(found) == {name: point.file for name, point in FAILPOINTS.items()}


def test_a_prelude_is_another_failpoint_of_the_same_services():
    for name, point in FAILPOINTS.items():
        assert point.services, name
        if point.first:
            assert set(point.services) <= set(FAILPOINTS[point.first].services), name
