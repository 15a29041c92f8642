"""The template language: Jinja2's syntax, held to an allow-list before anything runs.

Jinja2's sandbox stops escapes, but not memory bombs (``'a' * 10**9``), so safety does not rest on
it: only nodes that can not loop, call, multiply or reach into objects pass the parser.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from siyu_touch.domain.template_filters import FILTERS, shown

MAX_OUTPUT: Final = 10_000
"""Characters of a rendered text."""
_MAX_DEPTH: Final = 24
_RESERVED: Final = frozenset({"self", "super", "caller", "loop", "varargs", "kwargs"})
_ALLOWED: Final = (
    nodes.Template,
    nodes.TemplateData,
    nodes.Output,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
)

# Texts are plain: each channel escapes for its own medium. No tests and no globals.
_LANGUAGE: Final = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    finalize=shown,
)
_LANGUAGE.globals.clear()
_LANGUAGE.tests.clear()
_LANGUAGE.filters.clear()
_LANGUAGE.filters.update(FILTERS)


class NotAllowed(Exception):
    """The text is not in the language; ``line`` says where, counted from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what = what
        self.line = line


class CannotRender(Exception):
    """A text cannot be made from these traits; ``reason`` is that of the gate."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse(text: str) -> tuple[str, ...]:
    """The traits that the text names, sorted; raises ``NotAllowed``."""
    try:
        tree = _LANGUAGE.parse(text)
        names: set[str] = set()
        _check(tree, 0, names)
    except TemplateSyntaxError as error:
        raise NotAllowed(error.message or "syntax", error.lineno) from error
    except RecursionError as error:
        raise NotAllowed("nested too deep", 1) from error
    return tuple(sorted(names))


def literal_text(text: str) -> str:
    """What of a parsed text is fixed: data and constants, in order."""
    tree = _LANGUAGE.parse(text)
    parts: list[str] = []
    for node in tree.find_all((nodes.TemplateData, nodes.Const)):
        value = node.data if isinstance(node, nodes.TemplateData) else node.as_const()
        if isinstance(value, str):
            parts.append(value)
    return "".join(parts)


def render(text: str, traits: Mapping[str, Any]) -> str:
    """The text for one person; raises ``CannotRender`` (TRAIT_MISSING, TOO_LONG, NOT_RENDERED)."""
    pieces: list[str] = []
    length = 0
    try:
        for piece in _compiled(text).generate(traits):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_OUTPUT:
                raise CannotRender("TOO_LONG", f"longer than {MAX_OUTPUT} characters")
    except UndefinedError as error:
        raise CannotRender("TRAIT_MISSING", str(error)) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        # A comparison or filter that does not fit the value's type.
        raise CannotRender("NOT_RENDERED", type(error).__name__) from error
    return "".join(pieces)


@lru_cache(maxsize=1_000)
def _compiled(text: str) -> Compiled:
    parse(text)
    return _LANGUAGE.from_string(text)


def _check(node: nodes.Node, depth: int, names: set[str]) -> None:
    if depth > _MAX_DEPTH:
        raise NotAllowed("nested too deep", node.lineno)
    if not isinstance(node, _ALLOWED):
        raise NotAllowed(f"{type(node).__name__} is not allowed", node.lineno)
    if isinstance(node, nodes.Name):
        if node.ctx != "load" or node.name in _RESERVED:
            raise NotAllowed(f"the name {node.name} is not allowed", node.lineno)
        names.add(node.name)
    if isinstance(node, nodes.Filter):
        _check_filter(node)
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        raise NotAllowed("an inline if needs an else", node.lineno)
    for child in node.iter_child_nodes():
        _check(child, depth + 1, names)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in FILTERS:
        raise NotAllowed(f"the filter {node.name} is not allowed", node.lineno)
    constants = all(isinstance(argument, nodes.Const) for argument in node.args)
    if not constants or node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise NotAllowed(f"arguments of the filter {node.name} are constants", node.lineno)
