"""Common parameters of a question, with their defaults."""

from dataclasses import dataclass, replace

from siyu_analytics.domain.checks import check_time, require
from siyu_analytics.domain.condition import Condition, check_condition
from siyu_analytics.domain.windows import DEFAULT_ZONE, Span, check_zone


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: a range of event time, a time of view, a zone, some persons."""

    from_ms: int = 0
    to_ms: int = 0
    """0 until filled: everything up to the time of view."""
    as_of_ms: int = 0
    """0 until filled: the time of the call."""
    zone: str = ""
    persons: Condition | None = None

    @property
    def span(self) -> Span:
        """The range, cut at the time of view."""
        return Span(self.from_ms, self.to_ms).until(self.as_of_ms)

    def filled(self, now_ms: int) -> "Scope":
        """With every default in its place."""
        as_of = self.as_of_ms or now_ms
        return replace(
            self,
            as_of_ms=as_of,
            to_ms=self.to_ms or max(as_of, self.from_ms) + 1,
            zone=self.zone or DEFAULT_ZONE,
        )


def check_scope(scope: Scope, field: str) -> None:
    """Refuse a filled scope that is malformed."""
    check_time(scope.from_ms, f"{field}.from_time_ms")
    check_time(scope.to_ms, f"{field}.to_time_ms")
    check_time(scope.as_of_ms, f"{field}.as_of_time_ms")
    require(scope.from_ms < scope.to_ms, f"{field}.to_time_ms", "after from_time_ms")
    check_zone(scope.zone, f"{field}.zone")
    if scope.persons is not None:
        check_condition(scope.persons, f"{field}.persons")
