"""The words of the event contract that the rules turn on: kinds, evidence, kind masks."""

from typing import Final

TRACK: Final = 1
BIND: Final = 2
UNBIND: Final = 3
PROFILE_SET: Final = 4
PROFILE_SET_ONCE: Final = 5
PROFILE_INCREMENT: Final = 6
PROFILE_APPEND: Final = 7
PROFILE_UNSET: Final = 8

STEWARD: Final = 1
AUTHENTICATED: Final = 3
OBSERVED: Final = 5

KIND_OF: Final = {
    "track": TRACK,
    "bind": BIND,
    "unbind": UNBIND,
    "profile_set": PROFILE_SET,
    "profile_set_once": PROFILE_SET_ONCE,
    "profile_increment": PROFILE_INCREMENT,
    "profile_append": PROFILE_APPEND,
    "profile_unset": PROFILE_UNSET,
}
"""Names of the kinds in JSON, and of those that Sensors records share."""

MASK_TRACK: Final = 1
MASK_PROFILE: Final = 2
MASK_LINK: Final = 4
"""Bits of an entry's kind mask: what a reader finds in it."""
