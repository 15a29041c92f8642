"""Rules of form that several messages share."""

import re
from typing import Final

from siyu_kit.errors import InvalidInput

MAX_NAME: Final = 100
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def check_name(name: str, field: str) -> str:
    """The name, if it has 1 to 100 printable characters."""
    if not 0 < len(name) <= MAX_NAME or name != name.strip() or _CONTROL.search(name):
        raise InvalidInput(
            "FIELD_INVALID",
            f"a name has 1 to {MAX_NAME} printable characters, no spaces around it",
            field=field,
        )
    return name


def require(holds: bool, field: str, rule: str) -> None:
    """Raise ``InvalidInput`` naming the field where the rule does not hold."""
    if not holds:
        raise InvalidInput("FIELD_INVALID", rule, field=field)
