"""Inferred links: submitted by a model, decided by a person."""

from collections.abc import Mapping
from dataclasses import replace

from siyu_identity.app.desk import Desk, Desks
from siyu_identity.app.ports import ChangeFeed, Names
from siyu_identity.app.resolve import number
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import restate
from siyu_identity.domain.evidence import Strength, link
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.proposal import must_differ
from siyu_identity.domain.review import Review, ReviewState
from siyu_kit.clock import Clock
from siyu_kit.errors import PreconditionFailed


class SubmitReviews:
    """Puts inferred links into the queue; one that is there already stays as it is."""

    def __init__(self, desks: Desks, clock: Clock) -> None:
        self._desks = desks
        self._clock = clock

    async def __call__(self, project_id: str, inferred: Mapping[Names, str], actor: str) -> None:
        """Pairs with where they come from; unknown identifiers become persons of their own."""

        async def work(desk: Desk) -> None:
            wanted = {item for names in inferred for item in names}
            numbers = {item: i.no for item, i in (await desk.graph.find(wanted)).items()}
            missing = wanted - numbers.keys()
            if missing:
                placed = await number(desk.graph, missing)
                numbers |= {item: standing.ident_no for item, standing in placed.items()}
            now_ms = self._clock.now_ms()
            reviews = {}
            for (left, right), source in inferred.items():
                ends = sorted((numbers[left], numbers[right]))
                pair = (ends[0], ends[1])
                reviews[pair] = Review(pair, source, actor, now_ms)
            await desk.reviews.submit([reviews[pair] for pair in sorted(reviews)])

        await transact(self._desks, self._clock, project_id, work)


class DecideReview:
    """Accepts and rejects; a repeated decision changes nothing."""

    def __init__(self, desks: Desks, feed: ChangeFeed, clock: Clock) -> None:
        self._desks = desks
        self._feed = feed
        self._clock = clock

    async def __call__(
        self, project_id: str, pair: Pair, actor: str, *, accept: bool
    ) -> tuple[Review, int]:
        """The review, and the sequence of the last change (0 without one, or not known yet).

        Raises PermissionDenied (SAME_ACTOR) for who submitted it and accepts, PreconditionFailed
        (REVIEW_CLOSED) when it was decided otherwise.
        """
        wanted = ReviewState.ACCEPTED if accept else ReviewState.REJECTED

        async def work(desk: Desk) -> tuple[Review, list[int]]:
            review = await desk.reviews.get(pair)
            if review.state is wanted:
                return review, []
            if review.state is not ReviewState.WAITING:
                raise PreconditionFailed(
                    "REVIEW_CLOSED", "the inferred link was decided", state=review.state.name
                )
            now_ms, rows = self._clock.now_ms(), list[int]()
            if accept:
                must_differ(review.submitted_by, actor)
                rows = await restate(desk.graph, {pair: link(Strength.STEWARD, now_ms)})
            decided = replace(review, state=wanted, decided_by=actor, decided_ms=now_ms)
            await desk.reviews.put(decided)
            return decided, rows

        review, rows = await transact(self._desks, self._clock, project_id, work)
        return review, await self._feed.sequence_of(rows)
