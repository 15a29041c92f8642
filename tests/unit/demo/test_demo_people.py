"""Who is who: the simulator's own knowledge against the published rules, worked out naively."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu_demo.records import Identifier, Record, Via
from siyu_demo.simulator import Quarter, Settings
from siyu_demo.truth import Ledger, People

RANK = {"customer_no": 0, "mobile": 3, "openid": 5, "device_id": 6, "anonymous_id": 7}
OWNERS = {"device_id": 3, "anonymous_id": 2, "openid": 1, "mobile": 3}
MOST = {"customer_no": 1, "mobile": 5, "openid": 10, "device_id": 20, "anonymous_id": 100}


def stitched(records: list[Record]) -> set[frozenset[Identifier]]:
    """Constrained Kruskal over sets: the strongest, then the earliest evidence first."""
    persons = {identifier: frozenset({identifier}) for r in records for identifier in r.ids.items()}
    said: dict[tuple[Identifier, Identifier], list[Record]] = defaultdict(list)
    for record in records:
        best, *others = record.ids.items()
        for other in others:
            said[best, other].append(record)
    lost = crowded(set(said))
    for _, _, (one, other) in sorted(edges(said)):
        if one in lost or other in lost or persons[one] is persons[other]:
            continue
        together = persons[one] | persons[other]
        kinds = [kind for kind, _ in together]
        if all(kinds.count(kind) <= MOST[kind] for kind in set(kinds)):
            persons.update(dict.fromkeys(together, together))
    return set(persons.values())


def crowded(pairs: set[tuple[Identifier, Identifier]]) -> set[Identifier]:
    owners: dict[Identifier, set[Identifier]] = defaultdict(set)
    for best, other in pairs:
        if best[0] == "customer_no":
            owners[other].add(best)
    return {shared for shared, who in owners.items() if len(who) > OWNERS[shared[0]]}


def edges(
    said: dict[tuple[Identifier, Identifier], list[Record]],
) -> Iterator[tuple[int, int, tuple[Identifier, Identifier]]]:
    for edge, evidence in said.items():
        links = [record for record in evidence if record.type != "unbind"]
        cuts = [record.time for record in evidence if record.type == "unbind"]
        if links and max(link.time for link in links) > max(cuts, default=-1):
            strength = min(2 if r.authenticated or r.type == "bind" else 4 for r in links)
            yield strength, min(link.time for link in links), edge


def known(records: list[Record]) -> tuple[Ledger, People]:
    ledger = Ledger()
    ledger.add(records)
    return ledger, People(ledger)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.sampled_from([0.3, 0.9, 1.0]))
def test_the_simulators_people_are_those_of_the_rules(seed: int, share: float) -> None:
    quarter = Quarter(Settings(seed=seed, customers=120, days=20))
    records = [*quarter.history(), *quarter.live()]
    records = records[: int(len(records) * share)]
    _, people = known(records)
    assert {frozenset(members) for members in people.members().values()} == stitched(records)
    for person, members in people.members().items():
        assert RANK[person[0]] == min(RANK[kind] for kind, _ in members)
    assert len(people) == len(people.members())


def test_a_quarter_has_every_kind_of_sharing() -> None:
    quarter = Quarter(Settings(customers=1_000))
    ledger, people = known([*quarter.history(), *quarter.live()])
    users: dict[Identifier, set[Identifier]] = defaultdict(set)
    for best, other in ledger.links:
        if best[0] == "customer_no":
            users[other].add(best)
    shapes = {(shared[0], min(len(who), 5)) for shared, who in users.items()}
    assert {("device_id", users) for users in (1, 2, 3, 4, 5)} <= shapes
    assert {("anonymous_id", users) for users in (1, 2, 3, 5)} <= shapes
    assert ("mobile", 2) in shapes
    devices: dict[Identifier, int] = defaultdict(int)
    for identifier in users:
        devices[people.person_of(identifier)] += 1
    assert max(devices.values()) >= 4
    assert {kind for kind, _ in people.members()} >= {"customer_no", "device_id", "anonymous_id"}
    assert any(best[0] == "device_id" for best, _ in ledger.links)
    assert any(not link.holds for link in ledger.links.values())


def login(customer: str, device: Identifier, time: int) -> Record:
    ids = {"customer_no": customer, device[0]: device[1]}
    return Record(f"{customer}{time}", "track", ids, "login", time, {}, True, Via.GRPC)


@pytest.mark.parametrize(("kind", "cap"), [("device_id", 3), ("anonymous_id", 2)])
def test_a_shared_device_is_the_first_ones_until_too_many_claim_it(kind: str, cap: int) -> None:
    device = (kind, "d")
    claims = [login(f"c{number}", device, 100 - number) for number in range(cap + 1)]
    _, people = known(claims[:cap])
    assert people.person_of(device) == ("customer_no", f"c{cap - 1}")
    assert not people.quarantined
    _, people = known(claims)
    assert people.person_of(device) == device
    assert people.quarantined == {device}


def test_unbinding_gives_the_identifier_back() -> None:
    openid = ("openid", "wx:o1")
    bind = login("c1", openid, 10)._replace(type="bind", event="", authenticated=False)
    cut = bind._replace(type="unbind", time=20, message_id="cut")
    again = bind._replace(time=30, message_id="again")
    owners = []
    for records in ([bind], [bind, cut], [cut, bind, again]):
        _, people = known(list(records))
        owners.append(people.person_of(openid))
    assert owners == [("customer_no", "c1"), openid, ("customer_no", "c1")]


def test_a_browser_goes_with_its_app() -> None:
    device, browser = ("device_id", "d"), ("anonymous_id", "b")
    seen = Record("m", "track", dict([device, browser]), "page_view", 5, {}, False, Via.SENSORS)
    _, people = known([seen])
    assert people.person_of(browser) == device
    _, people = known([seen, login("c1", device, 9)])
    assert people.person_of(browser) == ("customer_no", "c1")
    crowd = [login(f"c{number}", device, number) for number in range(4)]
    _, people = known([seen, *crowd])
    assert people.person_of(browser) == browser


def test_what_the_simulator_never_makes_is_refused() -> None:
    browser = ("anonymous_id", "b")
    hosts = [
        Record("m", "track", {"device_id": name, "anonymous_id": "b"}, "x", 5, {}, False, Via.GRPC)
        for name in ("d1", "d2")
    ]
    for records in (hosts, [hosts[0], login("c1", browser, 9)]):
        with pytest.raises(ValueError, match="hosts"):
            known(list(records))


def test_the_order_of_the_records_does_not_matter() -> None:
    quarter = Quarter(Settings(customers=80, days=10))
    records = list(quarter.history())
    _, forward = known(records)
    _, backward = known(records[::-1])
    assert forward.members() == backward.members()
    assert all(one.time <= other.time for one, other in pairwise(records))
