"""A bounded memory of identifiers' numbers, which never change."""

from collections.abc import Mapping
from typing import Final

from siyu_identity.domain.evidence import Identifier

CAPACITY: Final = 200_000
"""Identifiers remembered over all projects, about 200 bytes each."""


class NumberCache:
    """Two generations: what is asked for survives, the rest goes when the younger one is full."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[tuple[str, Identifier], int] = {}
        self._old: dict[tuple[str, Identifier], int] = {}

    def of(self, project_id: str) -> "ProjectNumbers":
        """The memory of one project."""
        return ProjectNumbers(self, project_id)

    def get(self, key: tuple[str, Identifier]) -> int | None:
        """The number, if it is remembered."""
        no = self._young.get(key)
        if no is None and (no := self._old.get(key)) is not None:
            self.put(key, no)
        return no

    def put(self, key: tuple[str, Identifier], no: int) -> None:
        """Remember a number that is committed."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = no


class ProjectNumbers:
    """The numbers of one project."""

    def __init__(self, cache: NumberCache, project_id: str) -> None:
        self._cache = cache
        self._project = project_id

    def get(self, identifier: Identifier) -> int | None:
        """The number, if it is remembered."""
        return self._cache.get((self._project, identifier))

    def update(self, numbers: Mapping[Identifier, int]) -> None:
        """Remember numbers that are committed."""
        for identifier, no in numbers.items():
            self._cache.put((self._project, identifier), no)
