"""The profile service's RPCs: map in, call the use case, map out."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.profile.v1.profile_service_pb2_grpc import ProfileServiceServicer
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_profile.app.ports import Feed, Outcome, Persons, ProfileStore, ProfileUnit, Seal
from siyu_profile.app.read_profiles import (
    profile_by_id,
    profile_by_identifier,
    profile_by_number,
)
from siyu_profile.app.record_facts import Add, F, record_facts, sequence_of
from siyu_profile.domain.consents import Consent, check_channel, check_purpose
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import TraitOperation
from siyu_profile.rpc import statements
from siyu_profile.rpc.mapping import to_profile, to_send_facts

_NOTHING = Outcome(frozenset(), ())


class ProfileServicer(ProfileServiceServicer):
    """Serves ``siyu.profile.v1.ProfileService``."""

    def __init__(
        self, store: ProfileStore, persons: Persons, feed: Feed, seal: Seal, clock: Clock
    ) -> None:
        self._store = store
        self._persons = persons
        self._feed = feed
        self._seal = seal
        self._clock = clock

    async def ApplyTraits(
        self, request: pb.ApplyTraitsRequest, context: Any
    ) -> pb.ApplyTraitsResponse:
        check = partial(statements.operation, latest_ms=self._latest_ms())
        checked = statements.check_each(request.operations, "operations", check)
        outcome = await self._record(request.project_id, checked, _add_operations)
        return pb.ApplyTraitsResponse(
            results=checked.results(outcome),
            sequence=await sequence_of(self._feed, outcome),
        )

    async def SetContactPoints(
        self, request: pb.SetContactPointsRequest, context: Any
    ) -> pb.SetContactPointsResponse:
        check = statements.contact_point(self._seal, request.project_id, self._latest_ms())
        checked = statements.check_each(request.contact_points, "contact_points", check)
        outcome = await self._record(request.project_id, checked, _put_contacts)
        return pb.SetContactPointsResponse(results=checked.results(outcome))

    async def RecordConsents(
        self, request: pb.RecordConsentsRequest, context: Any
    ) -> pb.RecordConsentsResponse:
        check = partial(statements.consent, latest_ms=self._latest_ms())
        checked = statements.check_each(request.consents, "consents", check)
        outcome = await self._record(request.project_id, checked, _add_consents)
        return pb.RecordConsentsResponse(
            results=checked.results(outcome),
            sequence=await sequence_of(self._feed, outcome),
        )

    async def RecordRatings(
        self, request: pb.RecordRatingsRequest, context: Any
    ) -> pb.RecordRatingsResponse:
        check = partial(statements.rating, latest_ms=self._latest_ms())
        checked = statements.check_each(request.ratings, "ratings", check)
        outcome = await self._record(request.project_id, checked, _add_ratings)
        return pb.RecordRatingsResponse(
            results=checked.results(outcome),
            sequence=await sequence_of(self._feed, outcome),
        )

    async def GetProfile(
        self, request: pb.GetProfileRequest, context: Any
    ) -> pb.GetProfileResponse:
        project_id = request.project_id
        match request.WhichOneof("key"):
            case "person_no":
                found = await profile_by_number(self._store, project_id, request.person_no)
            case "person_id":
                found = await profile_by_id(
                    self._store, self._persons, project_id, request.person_id
                )
            case "identifier":
                identifier = statements.identifier_of(request.identifier, "identifier")
                found = await profile_by_identifier(
                    self._store, self._persons, project_id, identifier
                )
            case _:
                raise InvalidInput("FIELD_INVALID", "say which person", field="key")
        return pb.GetProfileResponse(profile=to_profile(self._seal, project_id, found))

    async def BatchGetProfiles(
        self, request: pb.BatchGetProfilesRequest, context: Any
    ) -> pb.BatchGetProfilesResponse:
        asked = _check_numbers(request.person_nos)
        stored = await self._store.read(request.project_id, asked)
        profiles = [
            pb.Profile(person_no=person_no)
            if found is None
            else to_profile(self._seal, request.project_id, found)
            for person_no, found in zip(asked, stored, strict=True)
        ]
        return pb.BatchGetProfilesResponse(profiles=profiles)

    async def GetSendFacts(
        self, request: pb.GetSendFactsRequest, context: Any
    ) -> pb.GetSendFactsResponse:
        check_channel(request.channel, "channel")
        check_purpose(request.purpose, "purpose")
        asked = _check_numbers(request.person_nos)
        stored = await self._store.read(request.project_id, asked)
        facts = [
            to_send_facts(self._seal, request.project_id, person_no, found, request)
            for person_no, found in zip(asked, stored, strict=True)
        ]
        known = sorted({found.person_no for found in stored if found is not None})
        members = await self._store.members(request.project_id, known)
        for fact in facts:
            fact.ident_nos.extend(members.get(fact.current_person_no, ()))
        return pb.GetSendFactsResponse(facts=facts)

    def _latest_ms(self) -> int:
        return self._clock.now_ms() + statements.CLOCK_SKEW_MS

    async def _record(
        self, project_id: str, checked: statements.Checked[F], add: Add[F]
    ) -> Outcome:
        if not checked.good:
            return _NOTHING
        return await record_facts(self._store, self._persons, project_id, checked.facts(), add)


async def _add_operations(
    unit: ProfileUnit, project_id: str, facts: Sequence[TraitOperation]
) -> set[str]:
    return await unit.add_operations(project_id, facts)


async def _add_consents(unit: ProfileUnit, project_id: str, facts: Sequence[Consent]) -> set[str]:
    return await unit.add_consents(project_id, facts)


async def _add_ratings(unit: ProfileUnit, project_id: str, facts: Sequence[Rating]) -> set[str]:
    return await unit.add_ratings(project_id, facts)


async def _put_contacts(
    unit: ProfileUnit, project_id: str, facts: Sequence[ContactPoint]
) -> set[str]:
    await unit.put_contacts(project_id, facts)
    return set()


def _check_numbers(person_nos: Sequence[int]) -> list[int]:
    if not 0 < len(person_nos) <= statements.MAX_BATCH:
        raise InvalidInput(
            "FIELD_INVALID", f"ask for 1 to {statements.MAX_BATCH} persons", field="person_nos"
        )
    return list(person_nos)
