"""Checks that the methods of OpsService share."""

from siyu_kit.errors import InvalidInput
from siyu_kit.projects import ALL_PROJECTS


def check_all(project_id: str) -> None:
    """What serves all projects is asked for them all; the gate lets callers of all pass alone."""
    if project_id != ALL_PROJECTS:
        raise InvalidInput("FIELD_INVALID", "project_id must be *", field="project_id")
