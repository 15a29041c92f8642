"""Which identifiers belong to one person, said as the simulator's people would say it.

A customer is a customer number. A device belongs to the customer who proved first that it is
theirs, unless so many customers did that nobody can say whose it is: then it stands for itself.
The browser inside of an app goes with the device. This is no general algorithm: it knows the world
that the simulator makes and refuses any other.
"""

from collections import defaultdict

from siyu_demo.records import Identifier
from siyu_demo.truth.ledger import Ledger, Link

OWNERS = {"device_id": 3, "anonymous_id": 2, "openid": 1, "mobile": 3}
"""With more distinct customers than this an identifier says nothing about who uses it."""


class People:
    """Every person of a ledger, named by the best identifier that the person has.

    Raises:
        ValueError: the ledger holds something that the simulator never makes.
    """

    def __init__(self, ledger: Ledger) -> None:
        customers: dict[Identifier, dict[Identifier, Link]] = defaultdict(dict)
        hosts: dict[Identifier, set[Identifier]] = defaultdict(set)
        for (best, other), link in ledger.links.items():
            if best[0] == "customer_no":
                customers[other][best] = link
            else:
                hosts[other].add(best)
        self.quarantined = frozenset(
            shared for shared, owners in customers.items() if len(owners) > OWNERS[shared[0]]
        )
        self._person: dict[Identifier, Identifier] = {}
        for identifier in ledger.identifiers:
            self._person[identifier] = self._owner(identifier, customers.get(identifier, {}))
        for browser, devices in hosts.items():
            if len(devices) > 1 or browser in customers:
                raise ValueError(f"{browser[0]} with several hosts, or with a login of its own")
            (device,) = devices
            if device not in self.quarantined:
                self._person[browser] = self._person[device]

    def _owner(self, identifier: Identifier, claims: dict[Identifier, Link]) -> Identifier:
        """The customer with the strongest, then earliest claim, else the identifier itself."""
        standing = [
            (not link.proven, link.first, customer)
            for customer, link in claims.items()
            if link.holds
        ]
        if identifier in self.quarantined or not standing:
            return identifier
        return min(standing)[2]

    def __len__(self) -> int:
        return len(set(self._person.values()))

    def person_of(self, identifier: Identifier) -> Identifier:
        """The person that an identifier, or an event of which it is the subject, belongs to."""
        return self._person[identifier]

    def members(self) -> dict[Identifier, set[Identifier]]:
        """All identifiers by person."""
        members: dict[Identifier, set[Identifier]] = defaultdict(set)
        for identifier, person in self._person.items():
            members[person].add(identifier)
        return dict(members)

    def persons_of(self, subjects: set[Identifier]) -> set[Identifier]:
        """The distinct persons behind many identifiers."""
        return {self._person[subject] for subject in subjects}
