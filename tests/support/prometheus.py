"""How Prometheus names what arrives by OTLP, and which names an expression uses."""

import re
from collections.abc import Mapping
from typing import Final

from siyu_kit import metric_defs
from siyu_kit.metric_defs import CounterDef, GaugeDef, HistogramDef, StateDef

Definition = CounterDef | GaugeDef | HistogramDef | StateDef

_UNITS: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}
_WORDS: Final = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right"}
    | {"bool", "offset"}
)
FROM_RESOURCE: Final = frozenset({"job", "instance"})
"""``service.name`` and ``service.instance.id``."""


def definitions() -> list[Definition]:
    """Every metric of ``metric_defs``."""
    kinds = (CounterDef, GaugeDef, HistogramDef, StateDef)
    return [item for item in vars(metric_defs).values() if isinstance(item, kinds)]


def series_of(metric: Definition) -> set[str]:
    """Names of the series that Prometheus makes of a metric (its own translation of OTLP)."""
    words = [word for word in re.split(r"[^a-zA-Z0-9:]+", metric.name) if word]
    unit = _UNITS.get(metric.unit, "")
    if unit and unit not in words:
        words.append(unit)
    if isinstance(metric, CounterDef) or (isinstance(metric, StateDef) and metric.total):
        words = [word for word in words if word != "total"] + ["total"]
    name = "_".join(words)
    if isinstance(metric, HistogramDef):
        return {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {name}


def labels_of(metric: Definition) -> set[str]:
    """Labels that the metric's series may have."""
    own = {re.sub(r"\W", "_", label) for label in metric.labels}
    return own | FROM_RESOURCE | ({"le"} if isinstance(metric, HistogramDef) else set())


def used(expression: str) -> Mapping[str, set[str]]:
    """Series of an expression, each with the labels that it is selected by."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    plain = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", plain)
    plain = re.sub(r"\[[^\]]*\]", "", plain)
    found: dict[str, set[str]] = {}
    pattern = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\(|\{[^}]*\})?")
    for name, after in pattern.findall(plain):
        if name in _WORDS or after == "(":
            continue
        labels = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", after)
        found.setdefault(name, set()).update(labels)
    return found


def grouped_by(expression: str) -> set[str]:
    """Labels that an expression groups by."""
    groups = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",")}
