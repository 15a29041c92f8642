"""Names of time zones that callers may give."""

from typing import Final
from zoneinfo import ZoneInfo

_OF_A_MACHINE: Final = ("right/", "posix/", "posixrules", "localtime")


def is_zone(name: str) -> bool:
    """Whether it is the name of an IANA zone.

    The files of a machine hold more: its own zone, and copies of the zones with leap seconds, in
    which a day begins some seconds off and which no engine knows.
    """
    if name.startswith(_OF_A_MACHINE):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found is a KeyError, a folder an OSError
        return False
    return True
