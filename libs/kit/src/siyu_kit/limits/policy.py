"""What each project may have: defaults from the settings, exceptions from a file."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from siyu_kit.log import get_logger
from siyu_kit.watched import Stamp, stamp

logger = get_logger(__name__)

_SECTIONS: Final = frozenset({"fair", "default", "projects"})


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """The limits of one project in one process; a rate of 0 is none."""

    requests_per_s: float = 0.0
    bytes_per_s: float = 0.0
    """Of request messages and HTTP bodies, as sent."""
    events_per_s: float = 0.0
    """At collect's door."""
    burst_s: float = 2.0
    """A project that was quiet may have this many seconds' worth at once."""
    weight: float = 1.0
    """Its share of the slots against the others, when they do not suffice for all."""

    def __post_init__(self) -> None:
        rates = (self.requests_per_s, self.bytes_per_s, self.events_per_s)
        if not all(map(math.isfinite, (*rates, self.burst_s, self.weight))):
            raise ValueError("limits are finite numbers")
        if min(rates) < 0 or self.burst_s <= 0 or self.weight <= 0:
            raise ValueError("rates are not negative, burst_s and weight are positive")


class LimitPolicy:
    """The limits of every project.

    The file is ``{"fair": true, "default": {...}, "projects": {"<project>": {...}}}``, the fields
    those of ``ProjectLimits``; all of it may be left out. It is read again when it changes; a
    broken file leaves everything as it was.
    """

    def __init__(
        self, path: Path | None = None, default: ProjectLimits | None = None, *, fair: bool = True
    ) -> None:
        """Raises ValueError or OSError for a file that cannot be used at start."""
        self._path = path
        self._own_default = default or ProjectLimits()
        self._own_fair = fair
        self._stamp: Stamp | None = None
        self.fair = fair
        self._default = self._own_default
        self._projects: Mapping[str, ProjectLimits] = {}
        if path is not None:
            self._stamp = stamp([path])
            self._read(path)

    def of(self, project: str) -> ProjectLimits:
        """The limits of a project."""
        return self._projects.get(project, self._default)

    def refresh(self) -> bool:
        """Read the file again if it changed; tells whether it did."""
        if self._path is None:
            return False
        try:
            found = stamp([self._path])
            if found == self._stamp:
                return False
            self._stamp = found
            self._read(self._path)
        except (OSError, ValueError) as error:
            # The text names a section or a place in the file, and holds none of its values.
            logger.warning(
                "limits_file_unreadable",
                error_type=type(error).__name__,
                problem=error.strerror if isinstance(error, OSError) else str(error),
            )
            return False
        logger.info("limits_file_read", projects=len(self._projects), fair=self.fair)
        return True

    def _read(self, path: Path) -> None:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not found.keys() <= _SECTIONS:
            raise ValueError(f"the limits file is an object with {', '.join(sorted(_SECTIONS))}")
        fair = found.get("fair", self._own_fair)
        if not isinstance(fair, bool):
            raise ValueError("fair is true or false")  # noqa: TRY004 - as all of its problems
        default = _limits("default", self._own_default, found.get("default", {}))
        projects = found.get("projects", {})
        if not isinstance(projects, dict):
            raise ValueError("projects is an object")  # noqa: TRY004 - as all of its problems
        known = {
            project: _limits(f"projects.{project}", default, own)
            for project, own in projects.items()
        }
        self.fair = fair
        self._default, self._projects = default, known


def _limits(section: str, base: ProjectLimits, given: Any) -> ProjectLimits:
    try:
        return _checked(base, given)
    except ValueError as error:
        raise ValueError(f"{section}: {error}") from None


def _checked(base: ProjectLimits, given: Any) -> ProjectLimits:
    names = {field.name for field in fields(ProjectLimits)}
    if not isinstance(given, dict) or not given.keys() <= names:
        raise ValueError(f"limits are an object with {', '.join(sorted(names))}")
    if not all(isinstance(value, int | float) for value in given.values()):
        raise ValueError("limits are numbers")
    return replace(base, **{name: float(value) for name, value in given.items()})
