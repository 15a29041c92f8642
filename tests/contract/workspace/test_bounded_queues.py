"""No queue without a bound: one that may grow for ever says in a comment what bounds it."""

import ast
from pathlib import Path

import pytest

from support.tree import ROOT

SOURCES = sorted(
    path
    for folder in ("libs/kit/src", "libs/client/src", "services")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
REASON = "# bounded:"
# What is unbounded unless one of these arguments says otherwise; () when nothing can.
UNBOUNDED = {
    "Queue": ("maxsize",),
    "LifoQueue": ("maxsize",),
    "PriorityQueue": ("maxsize",),
    "SimpleQueue": (),
    "deque": ("maxlen",),
    "ThreadPoolExecutor": (),
    "ProcessPoolExecutor": (),
    "lru_cache": ("maxsize",),
}


def unbounded(source: str) -> list[int]:
    """Lines that make a queue, a pool or a cache that may grow for ever and do not say why."""
    lines = source.splitlines()
    return [
        line
        for line in _makers(ast.parse(source))
        if REASON not in lines[line - 1] and REASON not in lines[max(0, line - 2)]
    ]


def _makers(tree: ast.AST) -> list[int]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in UNBOUNDED:
            if not _is_bounded(node, UNBOUNDED[_name(node.func)]):
                found.append(node.lineno)
        elif isinstance(node, ast.Call):
            factory = [k.value for k in node.keywords if k.arg == "default_factory"]
            found += [node.lineno for value in factory if _name(value) in UNBOUNDED]
    return found


def _is_bounded(call: ast.Call, arguments: tuple[str, ...]) -> bool:
    given = [k.value for k in call.keywords if k.arg in arguments]
    place = 1 if _name(call.func) == "deque" else 0
    given += call.args[place : place + 1] if arguments else []
    return any(not (isinstance(v, ast.Constant) and v.value in (None, 0)) for v in given)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_queue_is_bounded(path: Path):
    assert unbounded(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("asyncio.Queue()", [1]),
        ("Queue(0)", [1]),
        ("Queue(maxsize=9)", []),
        ("deque()", [1]),
        ("deque(x)", [1]),
        ("deque(x, 9)", []),
        ("ThreadPoolExecutor(2)", [1]),
        ("# bounded: callers are\nThreadPoolExecutor(2)", []),
        ("field(default_factory=deque)", [1]),
        ("lru_cache(maxsize=None)", [1]),
        ("lru_cache(maxsize=8)", []),
    ],
)
def test_the_check_sees_what_it_should(source, lines):
    assert unbounded(source) == lines
