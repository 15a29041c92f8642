"""Audiences, by counting."""

from collections import Counter

from siyu_demo.records import Identifier
from siyu_demo.truth.ledger import Happening, Ledger
from siyu_demo.truth.people import People


def counts(
    happening: Happening, from_ms: int, to_ms: int, ledger: Ledger, people: People
) -> Counter[Identifier]:
    """How often each person did it at or after `from_ms` and before `to_ms`."""
    return Counter(
        people.person_of(fact.subject)
        for fact in ledger.facts(happening)
        if from_ms <= fact.time < to_ms
    )


def few_views_no_trade(
    deposit: Happening,
    below: int,
    from_ms: int,
    to_ms: int,
    ledger: Ledger,
    people: People,
    at_least: int = 0,
) -> set[Identifier]:
    """Persons who deposited, never traded, and viewed news at least so often but below so often."""
    deposits = counts(deposit, from_ms, to_ms, ledger, people)
    trades = counts(Happening("trade"), from_ms, to_ms, ledger, people)
    views = counts(Happening("news_view"), from_ms, to_ms, ledger, people)
    return {
        person for person in deposits if trades[person] == 0 and at_least <= views[person] < below
    }
