"""Rules for message ids, names, keys and text."""

import re
from collections.abc import Iterable
from typing import Final

from siyu_collect.domain.form import EventForm
from siyu_collect.domain.limits import (
    CONTEXT_KEYS,
    MAX_LIST_ITEM_BYTES,
    MAX_LIST_ITEMS,
    MAX_MESSAGE_ID_BYTES,
    MAX_NAME_BYTES,
    MAX_TEXT_BYTES,
)
from siyu_kit.errors import InvalidInput

KEY: Final = re.compile(r"[A-Za-z$_][A-Za-z0-9_$.]{0,99}", re.ASCII)


def check_message_id(message_id: str) -> None:
    """Raises InvalidInput (MESSAGE_ID_INVALID)."""
    if not message_id or len(message_id.encode()) > MAX_MESSAGE_ID_BYTES:
        problem = f"must have 1 to {MAX_MESSAGE_ID_BYTES} bytes"
    elif not message_id.isprintable():
        problem = "has unprintable characters"
    else:
        return
    raise InvalidInput("MESSAGE_ID_INVALID", f"message_id {problem}", field="message_id")


def check_name(name: str) -> None:
    """Raises InvalidInput (NAME_INVALID)."""
    if not name or len(name.encode()) > MAX_NAME_BYTES:
        problem = f"must have 1 to {MAX_NAME_BYTES} bytes"
    elif not name.isprintable() or name != name.strip():
        problem = "has unprintable characters or blanks around it"
    else:
        return
    raise InvalidInput("NAME_INVALID", f"the name of the event {problem}", field="name")


def check_keys(keys: Iterable[str]) -> None:
    """Raises InvalidInput (KEY_INVALID) for the first that is none."""
    for key in keys:
        check_key(key)


def check_key(key: str) -> None:
    """Raises InvalidInput (KEY_INVALID)."""
    if KEY.fullmatch(key) is None:
        raise InvalidInput(
            "KEY_INVALID",
            f"a property's key must match {KEY.pattern}",
            field=f"properties[{key[:100]}]",
        )


def check_context_keys(keys: Iterable[str]) -> None:
    """Raises InvalidInput (CONTEXT_KEY_UNKNOWN) for the first that is not reserved."""
    for key in keys:
        check_context_key(key)


def check_context_key(key: str) -> None:
    """Raises InvalidInput (CONTEXT_KEY_UNKNOWN)."""
    if key not in CONTEXT_KEYS:
        raise InvalidInput(
            "CONTEXT_KEY_UNKNOWN",
            "the context has reserved keys only; everything else is a property",
            field=f"context[{key[:100]}]",
        )


def check_texts(event: EventForm, *, nul_allowed: bool) -> None:
    """Raises InvalidInput (TEXT_INVALID) for a text that is too long, or holds a NUL."""
    for where, texts in (("properties", event.string_properties), ("context", event.context)):
        for key in texts:
            text = texts[key]
            if 4 * len(text) > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
                raise _bad_text(f"{where}[{key}]", f"has more than {MAX_TEXT_BYTES} bytes")
            if not nul_allowed and "\0" in text:
                raise _bad_text(f"{where}[{key}]", "holds a NUL")


def check_lists(event: EventForm) -> None:
    """Make lists distinct; raises InvalidInput (LIST_INVALID)."""
    lists = event.list_properties
    for key in lists:
        values = list(lists[key].values)
        if len(values) > MAX_LIST_ITEMS:
            raise _bad_list(key, f"has more than {MAX_LIST_ITEMS} items")
        for value in values:
            if len(value.encode()) > MAX_LIST_ITEM_BYTES or "\0" in value:
                raise _bad_list(key, f"has an item over {MAX_LIST_ITEM_BYTES} bytes, or a NUL")
        distinct = list(dict.fromkeys(values))
        if len(distinct) != len(values):
            lists[key].values[:] = distinct


def _bad_text(field: str, problem: str) -> InvalidInput:
    return InvalidInput("TEXT_INVALID", f"the text {problem}", field=field)


def _bad_list(key: str, problem: str) -> InvalidInput:
    return InvalidInput("LIST_INVALID", f"the list {problem}", field=f"properties[{key}]")
