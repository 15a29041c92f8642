from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from siyu_profile.domain.consents import Consent, fold_consents
from siyu_profile.domain.contacts import ContactPoint, fold_contacts
from siyu_profile.domain.profile import EMPTY, Facts, changes, fold
from siyu_profile.domain.ratings import Rating, fold_ratings
from siyu_profile.messages import published, to_document


def consent(key, ident, granted, time, channel="push"):
    return Consent(key, ident, channel, "marketing", granted, "v1", "proof", time)


CONSENTS = st.lists(
    st.builds(consent, st.uuids().map(str), st.integers(1, 3), st.booleans(), st.integers(0, 3)),
    max_size=8,
)


def test_the_latest_statement_of_an_identifier_decides():
    decided = fold_consents([consent("a", 1, False, 1), consent("b", 1, True, 2)])
    assert decided["push", "marketing"].granted


def test_at_the_same_time_the_withdrawal_wins():
    decided = fold_consents([consent("a", 1, True, 1), consent("b", 1, False, 1)])
    assert not decided["push", "marketing"].granted


def test_a_withdrawal_of_one_identifier_binds_the_person():
    decided = fold_consents([consent("a", 1, False, 1), consent("b", 2, True, 9)])
    assert decided["push", "marketing"].consent_id == "a"


@given(CONSENTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(statements, random):
    shuffled = list(statements)
    random.shuffle(shuffled)
    assert fold_consents(shuffled) == fold_consents(statements)


@given(CONSENTS)
def test_a_merge_never_grants_what_one_side_withdrew(statements):
    sides = [fold_consents(s for s in statements if s.ident_no == ident) for ident in (1, 2, 3)]
    refused = any(not side[key].granted for side in sides for key in side)
    together = fold_consents(statements)
    if statements:
        assert together["push", "marketing"].granted is not refused


def test_the_latest_rating_counts_and_the_cautious_one_on_a_tie():
    ratings = [Rating("a", 1, 4, 10, 99), Rating("b", 1, 2, 10, 99), Rating("c", 1, 5, 9, 99)]
    best = fold_ratings(ratings)
    assert best is not None
    assert best.rating_id == "b"


def test_removed_contact_points_are_gone_and_the_newest_comes_first():
    points = [
        ContactPoint("a", 1, "push_token", b"x", "k", False, 1),
        ContactPoint("b", 1, "push_token", b"y", "l", False, 2),
        ContactPoint("c", 1, "push_token", b"z", "m", True, 3),
    ]
    assert [point.contact_point_id for point in fold_contacts(points)] == ["b", "a"]


def test_a_document_tells_the_same_as_the_profile():
    facts = Facts(consents=[consent("a", 1, True, 4)], ratings=[Rating("r", 1, 3, 5, 99)])
    profile = fold(facts)
    told = profile.published()
    assert told["consent.push.marketing"].value is True
    assert (told["rating.risk"].value, told["rating.risk_level"].value) == (Decimal(3), "C3")
    assert published(to_document(profile)) == told
    gone = list(changes(told, EMPTY.published()))
    assert {change.name for change in gone} == set(told)
    assert all(change.state is None for change in gone)
