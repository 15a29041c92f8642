"""How the domain refuses a request: the field by its proto path, and the rule."""

from typing import Final, NoReturn

from siyu_kit.errors import InvalidInput

MAX_TIME_MS: Final = 9_999_999_999_999
"""Latest point in time that a question may name (the year 2286), inside of the engine's range."""


def refuse(field: str, rule: str) -> NoReturn:
    """Raise InvalidInput for a field that breaks a rule."""
    raise InvalidInput("FIELD_INVALID", f"{field}: {rule}", field=field)


def require(holds: bool, field: str, rule: str) -> None:
    """Refuse the field unless the rule holds."""
    if not holds:
        refuse(field, rule)


def check_name(name: str, field: str) -> None:
    """A name of an event, a property or a trait: 1 to 200 bytes of text."""
    require(0 < len(name.encode()) <= 200, field, "1 to 200 bytes")


def check_time(time_ms: int, field: str) -> None:
    """A point in time, milliseconds UTC."""
    require(0 <= time_ms <= MAX_TIME_MS, field, f"0 to {MAX_TIME_MS} ms")
