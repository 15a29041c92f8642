"""Every worked example that the analysis models are held to is the subject of a test.

The names are those of the white paper's capabilities (S-, FX-) and of the list of models; a test
says in the first line of its docstring which of them it shows.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
EXAMPLES = (
    *("FX-C1", "FX-M1", "FX-O1"),
    *("S-001", "S-002", "S-004", "S-016", "S-044", "S-051", "S-052", "S-058", "S-064", "S-065"),
    *("S-066", "S-096", "S-097", "S-098", "S-101", "S-136"),
)
MODELS = (
    *("event", "channel", "session", "realtime", "retention", "funnel", "path", "attribution"),
    *("heatmap", "distribution", "interval", "attribute", "LTV"),
)


def _told() -> Iterator[str]:
    """What the tests of questions say of themselves."""
    for path in sorted((TESTS / "contract" / "analytics_query").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if named and node.name.startswith("test_"):
                yield (ast.get_docstring(node) or "").partition("\n")[0]


def test_every_example_has_a_test() -> None:
    told = " ".join(_told())
    assert [name for name in EXAMPLES if name not in told] == []
    assert [
        f"Model {number}, {name}"
        for number, name in enumerate(MODELS, 1)
        if f"Model {number}, {name}" not in told
    ] == []
