"""From events to statements about pairs, leaving out what is known already."""

from collections.abc import Iterable
from typing import Final

from siyu.event.v1.event_pb2 import (
    EVENT_KIND_BIND,
    EVENT_KIND_UNBIND,
    Event,
)
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_INFERRED
from siyu_identity.app.link import undeclared
from siyu_identity.app.ports import Names
from siyu_identity.domain.evidence import (
    NOTHING,
    Edge,
    Identifier,
    Strength,
    link,
    star,
    unlink,
)
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.stream.known import KnownEvidence, RawPair
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS, normalise

_UNRANKED: Final = len(RANKS) + 1


class Gathering:
    """The statements of one project in one batch."""

    def __init__(
        self, project_id: str, known: KnownEvidence, epoch: int, policy: IdTypePolicy
    ) -> None:
        self.statements: dict[Names, Edge] = {}
        self.refused: list[tuple[Event, InvalidInput]] = []
        """Events with an identifier that the door should not have let in, or not declared here."""
        self._unlinked: set[RawPair] = set()
        """Pairs of which an unlink was gathered: the links after it count."""
        self._project = project_id
        self._known = known
        self._epoch = epoch
        self._policy = policy

    def add(self, events: Iterable[Event]) -> None:
        """Take what events say about identifiers belonging together."""
        known, epoch, project = self._known.get, self._epoch, self._project
        unlinked = self._unlinked
        for event in events:
            ids = event.ids
            if len(ids) < 2:
                continue
            kind, time_ms = event.kind, event.event_time_ms
            best, second = ids[0], ids[1]
            if kind == EVENT_KIND_UNBIND or _rank(best.type) >= _rank(second.type):
                self._take(event)
                continue
            strength = event.evidence_class or _default_strength(kind)
            best_type, best_value = best.type, best.value
            for other in ids[1:]:
                pair = (project, best_type, best_value, other.type, other.value)
                entry = known(pair, epoch)
                if (
                    entry is None
                    or (unlinked and pair in unlinked)
                    or strength < entry.strength
                    or not entry.first_ms <= time_ms <= entry.until_ms
                ):
                    self._take(event)
                    break
                entry.seen_ms = max(entry.seen_ms, time_ms)

    def learn(self, contested: Iterable[Names], epoch: int) -> None:
        """Remember what was gathered; call it when that is committed."""
        cut = set(contested)
        for names, edge in self.statements.items():
            raw = self._raw_pair(names)
            if names in cut or edge.unlinked_ms != NOTHING.unlinked_ms:
                self._known.forget(raw)
            else:
                self._known.learn(raw, edge.strength, edge.first_ms, edge.linked_ms, epoch)

    def _take(self, event: Event) -> None:
        try:
            identifiers = [
                Identifier(item.type, normalise(item.type, item.value)) for item in event.ids
            ]
        except InvalidInput as error:
            self.refused.append((event, error))
            return
        strange = self._policy.undeclared(item.type for item in identifiers)
        if strange:
            self.refused.append((event, undeclared(strange, "ids")))
            return
        if event.evidence_class == EVIDENCE_CLASS_INFERRED:
            # The door refuses it; an inferred link waits for a decision and is sent by Link.
            return
        time_ms = max(0, event.event_time_ms)
        if event.kind == EVENT_KIND_UNBIND:
            said = unlink(time_ms)
        else:
            said = link(event.evidence_class or _default_strength(event.kind), time_ms)
        for names in star(identifiers):
            earlier = self.statements.get(names, NOTHING)
            if said.unlinked_ms >= 0:
                earlier = earlier.join(self._unwritten(names))
                self._unlinked.add(self._raw_pair(names))
            self.statements[names] = earlier.join(said)

    def _unwritten(self, names: Names) -> Edge:
        """The latest link of a pair, which the time grain may have kept from being written."""
        seen_ms = self._known.latest_ms(self._raw_pair(names))
        return NOTHING if seen_ms is None else NOTHING._replace(linked_ms=seen_ms)

    def _raw_pair(self, names: Names) -> RawPair:
        (best_type, best_value), (other_type, other_value) = names
        return self._project, best_type, best_value, other_type, other_value


def _rank(identifier_type: str) -> int:
    return RANKS.get(identifier_type, _UNRANKED)


def _default_strength(kind: int) -> int:
    return Strength.AUTHENTICATED if kind == EVENT_KIND_BIND else Strength.OBSERVED
