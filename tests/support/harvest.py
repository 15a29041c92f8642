"""Ids found in answers, put into requests by the names of fields alone."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

_DEEP: Final = 5
_KEPT: Final = 3
_NAMES: Final = ("_id", "_key", "_no", "_token", "token", "_digest", "etag", "number", "value")
"""Endings of what is an id, or stands for one."""
_NOT: Final = frozenset({"project_id", "trace_id", "next_page_token"})


class Harvest:
    """What is known of a project's things, by the name of the field that it stood in."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], list[Any]] = defaultdict(list)

    def of(self, name: str) -> list[Any]:
        """What stood in fields of this name."""
        return [v for (known, _), found in self._values.items() if known == name for v in found]

    def take(self, message: Any) -> None:
        """Keep what an answer names."""
        for item, value in scalars(message):
            known = self._values[item.name, item.cpp_type]
            if item.name.endswith(_NAMES) and item.name not in _NOT and value:
                if value not in known:
                    known.append(value)
                del known[_KEPT:]

    def texts(self) -> set[str]:
        """Long enough to be told apart from a word."""
        found = (value for values in self._values.values() for value in values)
        return {value for value in found if isinstance(value, str) and len(value) >= 12}

    def request(self, message: Descriptor, project_id: str, depth: int = 0) -> Any:
        """A request whose fields hold what was found under their names."""
        filled = GetMessageClass(message)()
        for item in message.fields:
            if item.name == "project_id":
                filled.project_id = project_id  # type: ignore[attr-defined]
            elif item.message_type is not None:
                if not _is_map(item) and depth < _DEEP and _first(item):
                    _put(filled, item, [self.request(item.message_type, project_id, depth + 1)])
            elif item.name == "type" and message.name == "Identifier":
                filled.type = "customer_no"  # type: ignore[attr-defined]
            elif item.name != "page_token" and _first(item):
                names = (item.name, item.name.removesuffix("s"))
                known = [v for name in names for v in self._values.get((name, item.cpp_type), ())]
                _put(filled, item, known or [_word(item)])
        return filled


def scalars(message: Any) -> Iterator[tuple[FieldDescriptor, Any]]:
    """Every scalar of a message, at every depth."""
    for item, value in message.ListFields():
        values = list(value.values()) if _is_map(item) else value
        for one in values if item.is_repeated else [value]:
            if hasattr(one, "ListFields"):
                yield from scalars(one)
            else:
                yield item, one


def _is_map(item: FieldDescriptor) -> bool:
    return item.message_type is not None and item.message_type.GetOptions().map_entry


def _first(item: FieldDescriptor) -> bool:
    oneof = item.containing_oneof
    return oneof is None or oneof.fields[0].name == item.name or oneof.name.startswith("_")


def _word(item: FieldDescriptor) -> Any:
    if item.cpp_type == item.CPPTYPE_STRING:
        return b"x" if item.type == item.TYPE_BYTES else "x"
    return item.cpp_type != item.CPPTYPE_BOOL and 1


def _put(filled: Any, item: FieldDescriptor, values: list[Any]) -> None:
    if item.is_repeated:
        getattr(filled, item.name).extend(values)
    elif item.message_type is not None:
        getattr(filled, item.name).CopyFrom(values[0])
    else:
        setattr(filled, item.name, values[0])
