"""Reads profiles by whatever a person is known by."""

from siyu_kit.errors import NotFound
from siyu_profile.app.ports import Identifier, Persons, ProfileStore, StoredProfile


async def profile_by_number(store: ProfileStore, project_id: str, person_no: int) -> StoredProfile:
    """The profile of the person that a number belongs to now."""
    found = await store.read_one(project_id, person_no)
    if found is None:
        raise _unknown("person_no")
    return found


async def profile_by_id(
    store: ProfileStore, persons: Persons, project_id: str, person_id: str
) -> StoredProfile:
    """The profile of an id, also of one that an identifier gave rise to once."""
    person_no = await store.person_no(project_id, person_id)
    if person_no is None:
        person_no = await persons.find_by_id(project_id, person_id)
    if person_no is None:
        raise _unknown("person_id")
    return await store.read_one(project_id, person_no) or _empty(person_no, person_id)


async def profile_by_identifier(
    store: ProfileStore, persons: Persons, project_id: str, identifier: Identifier
) -> StoredProfile:
    """The profile of an identifier's person."""
    found = await persons.find(project_id, identifier)
    if found is None:
        raise _unknown("identifier")
    return await store.read_one(project_id, found.person_no) or _empty(
        found.person_no, found.person_id
    )


def _empty(person_no: int, person_id: str) -> StoredProfile:
    return StoredProfile(person_no, person_id, 0, b"")


def _unknown(key: str) -> NotFound:
    return NotFound("PERSON_NOT_FOUND", "nobody is known by this key", key=key)
