"""Gives a person with its identifiers."""

from dataclasses import dataclass

from siyu_identity.app.ports import Directory, Member
from siyu_identity.app.propose import unknown_identifier
from siyu_identity.domain.evidence import Identifier
from siyu_kit.errors import NotFound
from siyu_kit.identifiers import RANKS

PersonKey = bytes | int | Identifier
"""A person's id, its number, or one of its identifiers."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person; the first identifier is the one that it is named after."""

    person_no: int
    person_key: bytes
    members: list[Member]


class GetPerson:
    """Finds a person by whatever key."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def __call__(self, project_id: str, key: PersonKey) -> Person:
        """Raises NotFound. An id or number of old finds the person its identifier is in now."""
        person_no = await self._number(project_id, key)
        members = await self._directory.members(project_id, person_no)
        if not members:
            # It moved between the two looks.
            raise _unknown("person_no")
        # The one that it is named after first, whatever rank the project's policy gives it.
        members.sort(key=lambda member: (member.ident.no != person_no, _by_rank(member)))
        return Person(person_no, members[0].ident.key, members)

    async def _number(self, project_id: str, key: PersonKey) -> int:
        if isinstance(key, Identifier):
            (standing,) = await self._directory.standings(project_id, [key])
            if standing is None:
                raise unknown_identifier(key)
            return standing.person_no
        if isinstance(key, bytes):
            number, name = await self._directory.person_of_key(project_id, key), "person_id"
        else:
            number, name = await self._directory.person_of_number(project_id, key), "person_no"
        if number is None:
            raise _unknown(name)
        return number


def _by_rank(member: Member) -> tuple[int, int, bytes]:
    ident = member.ident
    return RANKS[ident.type], ident.place.first_ms, ident.key


def _unknown(key: str) -> NotFound:
    return NotFound("PERSON_UNKNOWN", f"no person is known by this {key}", key=key)
