"""What a project may be called, everywhere."""

import re
from typing import Final

from siyu_kit.errors import InvalidInput

PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
ALL_PROJECTS: Final = "*"
"""Every project: in tokens, and in requests of methods whose contract allows it."""


def check_project(project_id: str) -> None:
    """Raises InvalidInput (FIELD_INVALID) for anything but a short plain word."""
    if not project_id:
        raise InvalidInput("FIELD_INVALID", "project_id is required", field="project_id")
    if PROJECT.fullmatch(project_id) is None:
        raise InvalidInput(
            "FIELD_INVALID", f"project_id must match {PROJECT.pattern}", field="project_id"
        )
