"""Every person of a project anew, from the evidence alone.

The same function as ``resolver.resolve``, over flat arrays: what hangs together and fits together
is one person at once; only the rest is put through Kruskal, component by component. The limit on
components is the online path's own and does not apply here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from siyu_identity.domain.contest import Contest
from siyu_identity.domain.evidence import UNSEEN
from siyu_identity.domain.hanging import Numbers, hanging, parts
from siyu_identity.domain.ident import SILENT, Flag
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Refusal
from siyu_identity.domain.world import KEY_BYTES, World

Mask = NDArray[np.bool_]
Counts = NDArray[np.int32]

_SILENT: Final = int(SILENT)
_NO_OWNER: Final = int(SILENT | Flag.RETIRED)
_NO_RANK: Final = np.iinfo(np.int32).max
_ONE: Final = np.int32(1)


@dataclass(slots=True)
class Stitched:
    """What follows from the evidence."""

    persons: array[int]
    quarantined: bytearray
    conflicts: dict[Pair, Refusal] = field(default_factory=dict)


def restitch(world: World, policy: IdTypePolicy, blocked: Iterable[int] = ()) -> Stitched:
    """The persons of a world under a policy.

    ``blocked``: numbers that are on the policy's block-list, where it is not the one that holds.
    """
    return _Stitching(world, policy).run(blocked)


class _Stitching:
    """The arrays of one run; a number is a place in each of them."""

    def __init__(self, world: World, policy: IdTypePolicy) -> None:
        self._world, self._policy = world, policy
        self._size = world.last + 1
        self._kinds = np.frombuffer(world.kinds, np.uint8)
        self._flags = np.frombuffer(world.flags, np.uint8)
        self._lefts, self._rights = (
            np.frombuffer(ends, np.int32) for ends in (world.lefts, world.rights)
        )
        # Written over again and again: for millions, fresh memory costs more than the counting.
        self._tally, self._other_tally = (np.empty(self._size, np.int32) for _ in range(2))
        self._first_ms = self._first_times()

    def run(self, blocked: Iterable[int]) -> Stitched:
        """All of it."""
        quarantined = self._quarantine()
        quarantined[list(blocked)] = True
        followed = np.ones(len(self._lefts), np.bool_)
        for part, lefts, rights in self._links():
            followed[part] = ~(quarantined[lefts] | quarantined[rights])
        ends = (self._lefts, self._rights)
        if not followed.all():
            ends = (self._lefts[followed], self._rights[followed])
        roots = hanging(self._size, *ends)
        sizes = _count(self._tally, roots)
        several = sizes > 1
        misfit = several & self._misfits(roots, sizes)
        persons = self._anchors(roots, several & ~misfit)
        stitched = Stitched(array("i"), bytearray(quarantined))
        if misfit.any():
            contest = Contest(self._world, self._policy, self._first_ms)
            contest.settle(roots, misfit, followed, persons)
            stitched.conflicts = contest.refused
        stitched.persons.frombytes(persons.tobytes())
        return stitched

    def _links(self) -> Iterator[tuple[slice, Numbers, Numbers]]:
        """All links, both ends, by the part: what is worked out from a part stays in the cache."""
        for part in parts(len(self._lefts)):
            yield part, self._lefts[part].astype(np.intp), self._rights[part].astype(np.intp)

    def _first_times(self) -> NDArray[np.int64]:
        """Earliest live evidence of each."""
        first_ms = np.full(self._size, UNSEEN, np.int64)
        firsts = np.frombuffer(self._world.firsts, np.int64)
        for part, *both in self._links():
            for ends in both:
                np.minimum.at(first_ms, ends, firsts[part])
        return first_ms

    def _quarantine(self) -> Mask:
        """Who is shared by too many, silenced, or of a type that is not declared."""
        policy, kinds, types = self._policy, self._kinds, self._world.names
        owner = self._of_kind([policy.is_owner(name) for name in types], np.bool_)
        owner &= self._flags & _NO_OWNER == 0
        near, owners = self._tally, self._other_tally
        near.fill(0)
        owners.fill(0)
        for _, lefts, rights in self._links():
            for ends, others in ((lefts, rights), (rights, lefts)):
                np.add.at(near, ends, _ONE)
                np.add.at(owners, ends[owner[others]], _ONE)
        undeclared = self._of_kind([name not in policy.types for name in types], np.bool_)
        quarantined: Mask = (self._flags & _SILENT != 0) | undeclared
        quarantined[0] = False
        suspect = (owners > 1) | (near > policy.max_neighbours)
        for number, sharers in self._sharers(suspect, owner).items():
            if policy.is_shared(types[kinds[number]], sharers, int(near[number])):
                quarantined[number] = True
        return quarantined

    def _sharers(self, suspect: Mask, owner: Mask) -> dict[int, list[str]]:
        """The types of the owners that each suspect has live links to."""
        sharers: dict[int, list[str]] = {no: [] for no in np.flatnonzero(suspect).tolist()}
        types = self._world.names
        for _, lefts, rights in self._links():
            for ends, others in ((lefts, rights), (rights, lefts)):
                at = np.flatnonzero(suspect[ends] & owner[others])
                for number, kind in zip(
                    ends[at].tolist(), self._kinds[others[at]].tolist(), strict=True
                ):
                    sharers[number].append(types[kind])
        return sharers

    def _misfits(self, roots: Numbers, sizes: Counts) -> Mask:
        """The roots of what may not be one person, or has to be looked at: a flag is on it.

        ``policy.too_many`` for all of them at once.
        """
        if self._policy.first_link_only:
            return np.ones(self._size, np.bool_)
        misfit = sizes > self._policy.max_person
        misfit[roots[self._flags != 0]] = True
        largest = int(sizes.max())
        for kind, name in enumerate(self._world.names):
            most = self._policy.max_of.get(name, 1)
            if most < largest:
                misfit |= _count(self._other_tally, roots[self._kinds == kind]) > most
        return misfit

    def _anchors(self, roots: Numbers, fitting: Mask) -> NDArray[np.int32]:
        """Whom each one's person is named after; a person of its own where it does not fit.

        ``resolver.anchor_of`` for persons without flags.
        """
        policy, types = self._policy, self._world.names
        ranks = self._of_kind([policy.rule(name).rank for name in types], np.int32)
        best = self._tally
        best.fill(_NO_RANK)
        np.minimum.at(best, roots, ranks)
        able = np.concatenate(
            [
                part.start
                + np.flatnonzero((ranks[part] == best[roots[part]]) & fitting[roots[part]])
                for part in parts(self._size)
            ]
        )
        anchors, own = self._other_tally, roots[able]
        anchors[own] = able
        equal = able[_count(self._tally, own)[own] > 1]
        if len(equal):
            keys = np.frombuffer(self._world.keys, ">u8").reshape(-1, KEY_BYTES // 8)[equal]
            order = np.lexsort((keys[:, 1], keys[:, 0], self._first_ms[equal], roots[equal]))
            equal = equal[order]
            # The first of each root.
            _, starts = np.unique(roots[equal], return_index=True)
            anchors[roots[equal[starts]]] = equal[starts]
        persons = np.arange(self._size, dtype=np.int32)
        for part in parts(self._size):
            own = roots[part]
            persons[part] = np.where(fitting[own], anchors[own], persons[part])
        return persons

    def _of_kind(self, values: list[Any], dtype: Any) -> NDArray[Any]:
        """Each identifier's value, of one for each type."""
        return np.array(values, dtype)[self._kinds]


def _count(tally: Counts, numbers: Numbers) -> Counts:
    """Write how often each number occurs.

    ``np.bincount`` gives the same in twice the bytes, and takes 1.7 times as long for millions.
    """
    tally.fill(0)
    np.add.at(tally, numbers, _ONE)
    return tally
