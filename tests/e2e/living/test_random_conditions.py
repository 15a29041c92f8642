"""Two hundred random conditions over random histories: the whole platform and a naive oracle."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from oracle.condition_oracle import Person, holds
from oracle.strategies import AS_OF_MS, ZONES, conditions, histories, ident_of
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.type.v1.result_key_pb2 import Freshness
from siyu.type.v1.value_pb2 import Value
from siyu_client.client import call
from support.random_projects import RandomProject, load_all

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PROJECT = "conditions"
NUMBER = 200
AT_ONCE = 6


def drawn():
    """The cases, always the same ones; shrinking is left to the contract suite."""
    cases = []

    @seed(20_261_123)
    @settings(
        max_examples=NUMBER,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.tuples(histories(), conditions(), st.sampled_from(ZONES)))
    def collect(case):
        cases.append(case)

    collect()
    return cases[:NUMBER]


def persons_of(history):
    """Everybody of a history, as the oracle sees them."""
    persons = {number: Person() for number in set(history.person_of.values())}
    for event in history.events:
        persons[history.person_of[ident_of(event)]].events.append(event)
    for number, traits in history.traits.items():
        persons[number].traits = traits
    return persons


async def freshness_of(client, projects):
    """Everything that the projects' loading published and stored."""
    request = identity_pb.ListChangesRequest(project_id=projects[-1].project_id, page_size=1_000)
    sequence = 0
    for project in projects:
        request.project_id, request.after_sequence = project.project_id, 0
        page = await call(client.identity.ListChanges, request)
        sequence = max(sequence, page.next_sequence)
    deadline = time.monotonic() + 60
    for project in projects:
        wanted = len(project.history.events)
        asked = pb.GetWatermarkRequest(project_id=project.project_id)
        while (await call(client.analytics.GetWatermark, asked)).events != wanted:
            assert time.monotonic() < deadline, project.project_id
            await asyncio.sleep(0.05)
    return Freshness(min_identity_sequence=sequence)


async def last_profile_sequence(client, project):
    """One more trait of a person who is nobody's business: its change is the feed's last."""
    operation = profile_pb.TraitOperation(
        operation_id="last",
        identifier=project.identifier(1),
        trait="last_of_all",
        kind=profile_pb.TRAIT_OPERATION_KIND_SET,
        value=Value(bool_value=True),
        event_time_ms=1,
    )
    request = profile_pb.ApplyTraitsRequest(project_id=project.project_id, operations=[operation])
    return (await call(client.profile.ApplyTraits, request)).sequence


async def test_two_hundred_conditions_equal_the_oracle(living):
    cases = drawn()
    assert len(cases) == NUMBER
    projects = [
        RandomProject(living.client, f"random-{number}", history)
        for number, (history, _, _) in enumerate(cases)
    ]
    await load_all(projects)
    freshness = await freshness_of(living.client, projects)
    freshness.min_profile_sequence = await last_profile_sequence(living.client, projects[-1])
    sizes = []
    waiting = iter(list(zip(projects, cases, strict=True)))

    async def worker():
        for project, case in waiting:
            sizes.append(await check(living.client, project, case, freshness))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert len(sizes) == NUMBER
    assert sum(sizes) > NUMBER / 4, "the cases say something"


async def check(client, project, case, freshness):
    """Compare one project with the oracle; how many members it has."""
    history, condition, zone = case
    request = pb.EvaluateAudienceRequest(
        project_id=project.project_id,
        condition=condition,
        as_of_time_ms=AS_OF_MS,
        zone=zone,
        freshness=freshness,
    )
    audience = await call(client.analytics.EvaluateAudience, request)
    number_of = await project.person_nos()
    persons = persons_of(history)
    expected = {
        number_of[one]
        for one, person in persons.items()
        if holds(condition, person, AS_OF_MS, zone)
    }
    found = set(BitMap.deserialize(audience.bitmap))
    assert found == expected, f"{project.project_id}: {condition}"
    assert audience.population == len(persons)
    for person_no in sample(number_of.values(), found):
        why = await call(
            client.analytics.ExplainAudience,
            pb.ExplainAudienceRequest(
                project_id=project.project_id,
                condition=condition,
                person_no=person_no,
                as_of_time_ms=AS_OF_MS,
                zone=zone,
            ),
        )
        assert why.member == why.nodes[0].holds == (person_no in found)
    return len(found)


def sample(numbers, members):
    """One who is in and one who is out, where there are such."""
    inside = [number for number in numbers if number in members]
    outside = [number for number in numbers if number not in members]
    return inside[:1] + outside[:1]
