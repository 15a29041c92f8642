"""The back office's facts by the profile RPCs, a thousand statements a call."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from siyu.profile.v1 import profile_service_pb2 as profile
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_client.client import call
from siyu_demo.simulator import Consent, ContactPoint, Rating
from siyu_demo.story.arrival.patience import patiently
from siyu_demo.story.questions import identifier_message
from siyu_demo.story.stage import PROJECT, Stage

_BATCH = 1_000
_AT_ONCE = 2
_TIMEOUT_S = 60.0
_TEXT_VERSION = "privacy-2026-03"

F = TypeVar("F")


async def state_facts(stage: Stage, advance: Callable[[int], None]) -> dict[str, int]:
    """Record consents, ratings and contact points; how many of each were taken."""
    quarter, stub = stage.quarter, stage.client.profile

    async def consents(items: Sequence[Consent]) -> Sequence[ItemResult]:
        request = profile.RecordConsentsRequest(project_id=PROJECT, consents=map(_consent, items))
        return (await call(stub.RecordConsents, request, timeout_s=_TIMEOUT_S)).results

    async def ratings(items: Sequence[Rating]) -> Sequence[ItemResult]:
        request = profile.RecordRatingsRequest(project_id=PROJECT, ratings=map(_rating, items))
        return (await call(stub.RecordRatings, request, timeout_s=_TIMEOUT_S)).results

    async def points(items: Sequence[ContactPoint]) -> Sequence[ItemResult]:
        request = profile.SetContactPointsRequest(
            project_id=PROJECT, contact_points=map(_point, items)
        )
        return (await call(stub.SetContactPoints, request, timeout_s=_TIMEOUT_S)).results

    return {
        "consents": await _in_batches(
            # By customer, as a back office exports them: each profile is folded once.
            sorted(quarter.consents, key=lambda consent: (consent.customer_no, consent.time)),
            consents,
            advance,
        ),
        "ratings": await _in_batches(quarter.ratings, ratings, advance),
        "contact points": await _in_batches(quarter.contact_points, points, advance),
    }


async def _in_batches(
    facts: Sequence[F], state: Callable[[Sequence[F]], Any], advance: Callable[[int], None]
) -> int:
    """State all facts, some batches at once; the number that were taken."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(batch: Sequence[F]) -> int:
        async with gate:
            results = await patiently(lambda: state(batch))
        advance(len(batch))
        return sum(result.status.code == 0 for result in results)

    batches = [facts[start : start + _BATCH] for start in range(0, len(facts), _BATCH)]
    return sum(await asyncio.gather(*map(one, batches)))


def _consent(consent: Consent) -> profile.Consent:
    return profile.Consent(
        consent_id=consent.consent_id,
        identifier=identifier_message(("customer_no", consent.customer_no)),
        channel=consent.channel,
        purpose=consent.purpose,
        granted=consent.granted,
        text_version=_TEXT_VERSION,
        evidence=f"form:{consent.consent_id}",
        event_time_ms=consent.time,
    )


def _rating(rating: Rating) -> profile.Rating:
    return profile.Rating(
        rating_id=rating.rating_id,
        identifier=identifier_message(("customer_no", rating.customer_no)),
        level=profile.RiskLevel.Value(f"RISK_LEVEL_{rating.level}"),
        assessed_time_ms=rating.assessed,
        expire_time_ms=rating.expires,
    )


def _point(point: ContactPoint) -> profile.ContactPoint:
    return profile.ContactPoint(
        contact_point_id=point.contact_point_id,
        identifier=identifier_message(("customer_no", point.customer_no)),
        type=point.type,
        address=point.address,
        event_time_ms=point.time,
    )
