"""Traits, by applying every operation in its order."""

from siyu_demo.records import Identifier, Value
from siyu_demo.truth.ledger import Change, Ledger
from siyu_demo.truth.people import People


def fold_traits(ledger: Ledger, people: People) -> dict[Identifier, dict[str, Value]]:
    """Every person's traits: the operations on all identifiers, by time, then message id."""
    folded: dict[Identifier, dict[str, Value]] = {}
    for change in sorted(ledger.changes, key=lambda change: (change.time, change.message_id)):
        traits = folded.setdefault(people.person_of(change.subject), {})
        for name, value in change.properties.items():
            _apply(traits, change, name, value)
    return folded


def _apply(traits: dict[str, Value], change: Change, name: str, value: Value) -> None:
    match change.type:
        case "profile_set":
            traits[name] = value
        case "profile_set_once":
            traits.setdefault(name, value)
        case "profile_increment":
            traits[name] = _number(traits.get(name, 0)) + _number(value)
        case "profile_append":
            before, added = traits.get(name, []), value if isinstance(value, list) else [str(value)]
            known = before if isinstance(before, list) else [str(before)]
            traits[name] = list(dict.fromkeys([*known, *added]))
        case "profile_unset":
            traits.pop(name, None)
        case _:
            raise ValueError(f"{change.type} is no profile operation")


def _number(value: Value) -> float:
    if isinstance(value, bool | str | list):
        raise TypeError("only numbers can be added to")
    return value
