"""Rules of the kinds other than TRACK: links and operations on profiles."""

from collections.abc import Sequence

from siyu_collect.domain.form import EventForm
from siyu_collect.domain.identifiers import Identifier
from siyu_collect.domain.vocabulary import (
    BIND,
    MASK_LINK,
    MASK_PROFILE,
    PROFILE_APPEND,
    PROFILE_INCREMENT,
    PROFILE_SET,
    PROFILE_UNSET,
)
from siyu_kit.errors import InvalidInput
from siyu_kit.traits import RESERVED


def check(event: EventForm, kind: int) -> int:
    """The kind mask of a link or a profile operation.

    Raises InvalidInput: KIND_INVALID, NAME_INVALID (only a track event has a name), KEY_INVALID
    (a trait that is not the sender's) and VALUE_INVALID (an increment takes numbers, an append
    takes lists).
    """
    if not BIND <= kind <= PROFILE_UNSET:
        raise InvalidInput("KIND_INVALID", "the kind of the event is not known", field="kind")
    if event.name:
        raise InvalidInput("NAME_INVALID", "only a track event has a name", field="name")
    if kind < PROFILE_SET:
        return MASK_LINK
    _not_reserved(event)
    if kind == PROFILE_INCREMENT:
        _only(event, "number_properties", "an increment takes numbers")
    elif kind == PROFILE_APPEND:
        _only(event, "list_properties", "an append takes lists of strings")
    return MASK_PROFILE


def check_link(ids: Sequence[Identifier]) -> None:
    """Raises InvalidInput (LINK_INCOMPLETE) for a bind or unbind without two identifiers."""
    if len(ids) < 2:
        raise InvalidInput("LINK_INCOMPLETE", "a bind or unbind names two identifiers", field="ids")


_TYPED = (
    "string_properties",
    "number_properties",
    "bool_properties",
    "time_properties",
    "list_properties",
)


def _not_reserved(event: EventForm) -> None:
    for name in _TYPED:
        for key in getattr(event, name):
            if key.startswith(RESERVED):
                raise InvalidInput(
                    "KEY_INVALID",
                    "consent. and rating. are traits of the platform's own",
                    field=f"properties[{key[:100]}]",
                )


def _only(event: EventForm, allowed: str, rule: str) -> None:
    for name in _TYPED:
        if name != allowed:
            for key in getattr(event, name):
                raise InvalidInput("VALUE_INVALID", rule, field=f"properties[{key}]")
