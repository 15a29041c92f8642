"""Chapter 2: identifiers become persons."""

import asyncio
from collections import Counter

from siyu.identity.v1 import identity_service_pb2 as identity
from siyu_client.client import call
from siyu_demo.records import Identifier
from siyu_demo.story.arrival.settling import watermark
from siyu_demo.story.checks import Pair
from siyu_demo.story.questions import identifier_message, identifier_messages
from siyu_demo.story.stage import PROJECT, Stage

TITLE = "Identifiers become persons"
_BATCH = 5_000
_SAMPLE = 5


async def tell(stage: Stage) -> None:
    """Every identifier under the right person; a few persons and the shared devices in detail."""
    await _number(stage)
    numbers, people = stage.numbers, stage.people
    known = sum(number > 0 for number in numbers.ident_no.values())
    right = sum(
        numbers.person_no[identifier] == numbers.ident_no[people.person_of(identifier)]
        for identifier in numbers.ident_no
    )
    mark = await watermark(stage.client)
    with stage.checks.table("Identifiers and persons") as table:
        table.row("identifiers", Pair(known, len(stage.ledger.identifiers)))
        table.row("greatest number given", Pair(max(numbers.ident_no.values()), known))
        table.row("persons by identity", Pair(len(set(numbers.person_no.values())), len(people)))
        table.row("persons by analytics", Pair(mark.persons, len(people)))
        table.row("identifiers under the right person", Pair(right, len(numbers.ident_no)))
    await _show_sample(stage)
    await _show_shared(stage)


async def _number(stage: Stage) -> None:
    """Ask identity for every identifier that was sent."""
    identifiers = sorted(stage.ledger.identifiers)
    numbers = stage.numbers
    for start in range(0, len(identifiers), _BATCH):
        batch = identifiers[start : start + _BATCH]
        request = identity.ResolveBatchRequest(
            project_id=PROJECT, identifiers=identifier_messages(batch)
        )
        answer = await call(stage.client.identity.ResolveBatch, request, timeout_s=60.0)
        for identifier, resolution in zip(batch, answer.resolutions, strict=True):
            numbers.ident_no[identifier] = resolution.ident_no
            numbers.person_no[identifier] = resolution.person_no
            numbers.person_id[identifier] = resolution.person_id


async def _show_sample(stage: Stage) -> None:
    """Persons with the most identifiers, by what they consist of."""
    members = stage.people.members()
    sample = sorted(members, key=lambda person: (-len(members[person]), person))[:_SAMPLE]
    with stage.checks.table("Persons with the most identifiers", "identifiers") as table:
        for person in sample:
            got = await _person(stage, person)
            found = {(item.identifier.type, item.identifier.value) for item in got.identifiers}
            kinds = Counter(kind for kind, _ in members[person])
            parts = " + ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            table.row(f"{person[0]} {person[1]}: {parts}", Pair(found, members[person]))
    example: dict[str, object] = {
        "project_id": PROJECT,
        "person_no": stage.numbers.person_no[sample[0]],
    }
    stage.examples.append(("identity", "GetPerson", example))


async def _show_shared(stage: Stage) -> None:
    """Identifiers that so many customers use that they are nobody's."""
    shared = sorted(stage.people.quarantined)
    persons = await asyncio.gather(*(_person(stage, identifier) for identifier in shared))
    apart = {
        (item.identifier.type, item.identifier.value)
        for person in persons
        for item in person.identifiers
        if item.quarantined
    }
    expected = set(shared)
    with stage.checks.table("Shared by too many customers, so they stand apart") as table:
        for kind in sorted({kind for kind, _ in shared}):
            table.row(kind, Pair(_of(kind, apart), _of(kind, expected)))


def _of(kind: str, identifiers: set[Identifier]) -> set[Identifier]:
    return {identifier for identifier in identifiers if identifier[0] == kind}


async def _person(stage: Stage, identifier: Identifier) -> identity.Person:
    request = identity.GetPersonRequest(
        project_id=PROJECT, identifier=identifier_message(identifier)
    )
    return (await call(stage.client.identity.GetPerson, request)).person
