"""Conditions as sets: every leaf is one query for a roaring bitmap, every branch set algebra."""

from dataclasses import dataclass, field

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.chain import Chain, chain_sql
from siyu_analytics.domain.condition import (
    AllOf,
    AnyOf,
    Condition,
    EventCount,
    EventSequence,
    Everyone,
    NoneOf,
    Trait,
)
from siyu_analytics.domain.predicate import compare
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.traits import latest_trait, trait_source
from siyu_analytics.domain.values import Operator
from siyu_analytics.domain.windows import window_span

_SIGNS = {
    Operator.EQ: "=",
    Operator.NE: "!=",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}


@dataclass(slots=True)
class Sets:
    """The sets of a condition's nodes, as named scalar subqueries and expressions over them."""

    binder: Binder
    named: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    """Expression of each node, depth first; each lies inside of the population."""

    def __post_init__(self) -> None:
        people = f"SELECT person_no FROM {self.binder.basis.population}"
        if self.binder.only_person is not None:
            people += f" WHERE person_no = {self.binder.number(self.binder.only_person)}"
        self._name(people, "everybody")

    def add(self, condition: Condition) -> str:
        """Compile a condition with all below it; the expression of its set."""
        place = len(self.nodes)
        self.nodes.append("")
        expression = self._expression(condition)
        self.nodes[place] = expression
        return expression

    def _expression(self, condition: Condition) -> str:
        match condition:
            case AllOf(conditions):
                return _combined("bitmapAnd", [self.add(item) for item in conditions])
            case AnyOf(conditions):
                return _combined("bitmapOr", [self.add(item) for item in conditions])
            case NoneOf(conditions):
                union = _combined("bitmapOr", [self.add(item) for item in conditions])
                return f"bitmapAndnot(everybody, {union})"
            case Everyone():
                return "everybody"
            case leaf:
                return self._leaf(leaf)

    def _leaf(self, leaf: Trait | EventCount | EventSequence) -> str:
        operation = "bitmapAnd"
        if isinstance(leaf, Trait):
            persons = trait_persons(self.binder, leaf)
        elif isinstance(leaf, EventCount):
            persons = count_persons(self.binder, leaf)
            if leaf.holds(0):
                operation = "bitmapAndnot"
        else:
            persons = sequence_persons(self.binder, leaf)
        return f"{operation}(everybody, {self._name(persons, f'leaf_{len(self.named)}')})"

    def _name(self, persons: str, name: str) -> str:
        self.named.append(f"(SELECT groupBitmapState(person_no) FROM ({persons})) AS {name}")
        return name

    @property
    def header(self) -> str:
        """The WITH clause that the expressions need."""
        return f"WITH {', '.join(self.named)}"


def _combined(function: str, sets: list[str]) -> str:
    expression = sets[0]
    for other in sets[1:]:
        expression = f"{function}({expression}, {other})"
    return expression


def trait_persons(binder: Binder, leaf: Trait) -> str:
    """A SELECT of the persons whose trait compares; of those without it for ``does not exist``."""
    found = latest_trait(binder, leaf.name)
    if leaf.operator is Operator.NOT_EXISTS:
        population = binder.basis.population
        return (
            f"SELECT person_no FROM {population}"
            f" WHERE person_no NOT IN (SELECT person_no FROM ({found}))"
        )
    holds = compare(binder, trait_source(), leaf.operator, leaf.operands)
    return f"SELECT person_no FROM ({found}) WHERE {holds}"


def count_persons(binder: Binder, leaf: EventCount) -> str:
    """A SELECT of the persons with events for whom the comparison holds.

    Where nobody's 0 satisfies it, too, of those for whom it fails: the others are the complement.
    """
    span = window_span(leaf.window, binder.basis.as_of_ms, binder.basis.zone)
    rows = scan(binder, [leaf.event], span, [])
    bounds = [binder.bind(count, "UInt64") for count in leaf.operands]
    if leaf.operator is Operator.BETWEEN:
        holds = f"count() >= {bounds[0]} AND count() <= {bounds[1]}"
    else:
        holds = f"count() {_SIGNS[leaf.operator]} {bounds[0]}"
    test = f"NOT ({holds})" if leaf.holds(0) else holds
    return f"SELECT person AS person_no FROM ({rows}) GROUP BY person HAVING {test}"


def sequence_persons(binder: Binder, leaf: EventSequence) -> str:
    """A SELECT of the persons who went through all of the steps."""
    rows = sequence_paths(binder, leaf)
    return f"SELECT person AS person_no FROM ({rows}) WHERE length(path) = {len(leaf.steps)}"


def sequence_paths(binder: Binder, leaf: EventSequence) -> str:
    """A SELECT of ``person`` and ``path``, see ``chain_sql``."""
    span = window_span(leaf.window, binder.basis.as_of_ms, binder.basis.zone)
    return chain_sql(binder, Chain(leaf.steps, span, span, leaf.within_ms))


def audience_query(binder: Binder, condition: Condition) -> Query:
    """One row: ``members``, the audience's numbers ascending, and ``population``, a count."""
    sets = Sets(binder)
    expression = sets.add(condition)
    return binder.query(
        f"{sets.header} SELECT bitmapToArray({expression}) AS members,"
        " bitmapCardinality(everybody) AS population"
    )


def persons_filter(binder: Binder, condition: Condition | None) -> str:
    """A subquery of an audience in parentheses, empty for everybody."""
    if condition is None:
        return ""
    sets = Sets(binder)
    expression = sets.add(condition)
    return f"({sets.header} SELECT arrayJoin(bitmapToArray({expression})))"
