"""A person's profile: the folds of all facts of the person's identifiers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from siyu_profile.domain.consents import Consent, fold_consents
from siyu_profile.domain.contacts import ContactPoint, fold_contacts
from siyu_profile.domain.ratings import Rating, fold_ratings
from siyu_profile.domain.traits import TraitOperation, TraitState, fold_traits


@dataclass
class Facts:
    """All that was stated for the identifiers of one person."""

    operations: list[TraitOperation] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    contacts: list[ContactPoint] = field(default_factory=list)


@dataclass(frozen=True)
class Profile:
    """What holds for a person now."""

    traits: Mapping[str, TraitState]
    consents: Mapping[tuple[str, str], Consent]
    rating: Rating | None
    contacts: Sequence[ContactPoint]

    def published(self) -> dict[str, TraitState]:
        """What others may know by name: traits, consents as truth values, the rating."""
        told = dict(self.traits)
        for (channel, purpose), consent in self.consents.items():
            name = f"consent.{channel}.{purpose}"
            told[name] = TraitState(consent.granted, consent.event_time_ms)
        if self.rating is not None:
            since = self.rating.assessed_time_ms
            told["rating.risk"] = TraitState(Decimal(self.rating.level), since)
            told["rating.risk_level"] = TraitState(f"C{self.rating.level}", since)
        return told


EMPTY = Profile({}, {}, None, ())


def fold(facts: Facts) -> Profile:
    """The profile that the facts make, in whatever order they came."""
    return Profile(
        fold_traits(facts.operations),
        fold_consents(facts.consents),
        fold_ratings(facts.ratings),
        fold_contacts(facts.contacts),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One published name whose state is another now; None: it is gone."""

    name: str
    state: TraitState | None


def changes(before: Mapping[str, TraitState], after: Mapping[str, TraitState]) -> Iterable[Change]:
    """What to publish when the told names move from ``before`` to ``after``, by name."""
    for name in sorted(before.keys() | after.keys()):
        state = after.get(name)
        if state != before.get(name):
            yield Change(name, state)
