"""The reasons that the product's code gives, read from its source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.tree import ROOT

SOURCES = ("libs/kit/src", "libs/client/src", "services")
FAMILY = "siyu_kit/errors.py"


@dataclass(frozen=True)
class Raised:
    """One place where an error of the family is made."""

    place: str
    """File and line."""
    error: str
    """The class of ``siyu_kit.errors`` it belongs to."""
    reason: str | None
    """None when the source does not say: it is passed on from elsewhere."""


def raised() -> list[Raised]:
    """Every place where a domain error is made with a reason."""
    trees = {
        path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
        for source in SOURCES
        for path in sorted((ROOT / source).rglob("*.py"))
        if "src" in path.parts
    }
    classes = _classes(trees)
    texts = {name: text for tree in trees.values() for name, text in _constants(tree)}
    return [
        Raised(f"{path}:{call.lineno}", classes[name], _text(call.args[0], texts))
        for path, tree in trees.items()
        if not str(path).endswith((FAMILY, "siyu_kit/rpc/status.py"))
        for name, call in _made(tree, classes)
    ]


def _classes(trees: dict[Path, ast.Module]) -> dict[str, str]:
    """Name of each class of the family, and the one of ``siyu_kit.errors`` that it is."""
    own = next(tree for path, tree in trees.items() if str(path).endswith(FAMILY))
    found = {node.name: node.name for node in own.body if isinstance(node, ast.ClassDef)}
    defined = [
        node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    before = 0
    while before != len(found):
        before = len(found)
        for node in defined:
            for base in map(_name, node.bases):
                if base in found:
                    found.setdefault(node.name, found[base])
    return found


def _made(tree: ast.Module, classes: dict[str, str]) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in classes:
            yield _name(node.func), node
        if isinstance(node, ast.ClassDef) and node.name in classes:
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and call.args and _name(call.func) == "__init__":
                    yield node.name, call


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(node.value.value, str):
                yield _name(targets[0]), node.value.value


def _text(node: ast.expr, texts: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return texts.get(_name(node)) if isinstance(node, ast.Name) else None


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
