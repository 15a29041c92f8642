"""Who has a message already and how many, for one batch of decisions, which it keeps up to date."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pyroaring import BitMap

from siyu_touch.app.store import Reservation
from siyu_touch.domain.gates import Facts
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import MessageClass


def known_as(send: Send, facts: Facts) -> dict[str, str]:
    """Keys under which the recipient may have a message, with the reason that refuses another.

    A merge leaves what the persons had under the numbers that they had then. Two customers who
    share an address are both owed a notice, so there the person alone counts.
    """
    keys = {_person(number): "PERSON_DUPLICATE" for number in facts.numbers}
    return keys | dict.fromkeys(_addresses(send, facts), "ADDRESS_DUPLICATE")


def _person(number: int) -> str:
    return f"person:{number}"


def _addresses(send: Send, facts: Facts) -> list[str]:
    shared = send.message_class is MessageClass.REGULATORY or not facts.address_key
    return [] if shared else [f"address:{facts.address_key}"]


class Board:
    """What the database says at the start of the batch, and what the batch adds."""

    def __init__(
        self,
        taken: Mapping[str, str],
        reservations: Iterable[Reservation],
        held_out: BitMap,
    ) -> None:
        self._taken = dict(taken)
        self._held_out = held_out
        self._reserved: dict[int, set[str]] = defaultdict(set)
        for reservation in reservations:
            self._reserved[reservation.person_no].add(reservation.send_key)
        self.new_recipients: dict[str, str] = {}
        self.given_back: set[str] = set()
        """Recipients that refused messages had taken at an earlier attempt."""
        self.new_reservations: dict[str, Reservation] = {}

    def taken_by(self, send: Send, facts: Facts) -> str:
        """Why somebody else has the message already, or why nobody may have it; else empty."""
        if facts.current_person_no == 0:
            return "PERSON_UNKNOWN"
        if facts.current_person_no in self._held_out:
            return "PERSON_HELD_OUT"
        for key, reason in known_as(send, facts).items():
            if self._taken.get(key, send.send_key) != send.send_key:
                return reason
        return ""

    def messages_before(self, send: Send, facts: Facts) -> int:
        """Places that other messages to the person take."""
        return len(self._messages(facts) - {send.send_key})

    def take(self, send: Send, facts: Facts, day: int, now_ms: int) -> None:
        """Note that the message goes out.

        A repeated attempt takes nothing more, but its place moves to the day of that attempt.
        """
        for key in (_person(facts.current_person_no), *_addresses(send, facts)):
            if key not in self._taken:
                self._taken[key] = self.new_recipients[key] = send.send_key
        if send.message_class is MessageClass.MARKETING:
            person = facts.current_person_no
            self._reserved[person].add(send.send_key)
            self.new_reservations[send.send_key] = Reservation(person, day, send.send_key, now_ms)

    def give_back(self, send: Send, facts: Facts) -> None:
        """Note that the message does not go out after all.

        Of two that were put off before their persons became one, the second is free to go.
        """
        for key in known_as(send, facts):
            if self._taken.get(key) == send.send_key:
                del self._taken[key]
                self.given_back.add(key)

    def _messages(self, facts: Facts) -> set[str]:
        # A merge leaves earlier messages under the numbers that the persons had then.
        return set().union(*(self._reserved.get(number, ()) for number in facts.numbers))
