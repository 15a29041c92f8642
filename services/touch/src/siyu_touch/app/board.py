"""Who has a message already and how many, for one batch of decisions, which it keeps up to date."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pyroaring import BitMap

from siyu_touch.app.store import Reservation
from siyu_touch.domain.gates import Facts
from siyu_touch.domain.send import Send
from siyu_touch.domain.vocabulary import MessageClass


def recipients_of(send: Send, facts: Facts) -> dict[str, str]:
    """Recipient keys of a message, with the reason that refuses a second one.

    Two customers who share an address are both owed a notice, so there the person alone counts.
    """
    keys = {f"person:{facts.current_person_no}": "PERSON_DUPLICATE"}
    if facts.address_key and send.message_class is not MessageClass.REGULATORY:
        keys[f"address:{facts.address_key}"] = "ADDRESS_DUPLICATE"
    return keys


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
        self.new_reservations: list[Reservation] = []

    def taken_by(self, send: Send, facts: Facts) -> str:
        """Why somebody else has the message already, or why nobody may have it; else empty."""
        if facts.current_person_no == 0:
            return "PERSON_UNKNOWN"
        if facts.current_person_no in self._held_out:
            return "PERSON_HELD_OUT"
        for key, reason in recipients_of(send, facts).items():
            if self._taken.get(key, send.send_key) != send.send_key:
                return reason
        return ""

    def messages_before(self, send: Send, facts: Facts) -> int:
        """Places that other messages to the person take."""
        return len(self._messages(facts) - {send.send_key})

    def take(self, send: Send, facts: Facts, day: int, now_ms: int) -> None:
        """Note that the message goes out; a repeated attempt takes nothing more."""
        for key in recipients_of(send, facts):
            if key not in self._taken:
                self._taken[key] = self.new_recipients[key] = send.send_key
        marketing = send.message_class is MessageClass.MARKETING
        if marketing and send.send_key not in self._messages(facts):
            person = facts.current_person_no
            self._reserved[person].add(send.send_key)
            self.new_reservations.append(Reservation(person, day, send.send_key, now_ms))

    def _messages(self, facts: Facts) -> set[str]:
        # A merge leaves earlier messages under the number that the person had then.
        return self._reserved[facts.person_no] | self._reserved[facts.current_person_no]
