"""A segment: a named condition and its versions. Conditions are opaque bytes here."""

import re
from dataclasses import dataclass, replace
from typing import Final

from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput, StaleEtag

DEFAULT_ZONE: Final = "Asia/Shanghai"
MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Definition:
    """What a segment asks: a serialized condition and the zone of its windows."""

    condition: bytes
    zone: str


@dataclass(frozen=True)
class Segment:
    """A segment at its latest version. Times are milliseconds UTC."""

    project_id: str
    segment_id: str
    name: str
    description: str
    version: int
    definition: Definition
    create_time_ms: int
    update_time_ms: int
    published_run_id: str = ""
    size: int = 0

    @property
    def etag(self) -> str:
        """Changes with every change of what a caller may change."""
        content = [self.name, self.description, str(self.version), str(self.update_time_ms)]
        return sm3("\x1f".join(content).encode()).hex()[:16]


@dataclass(frozen=True)
class Change:
    """Fields to change; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    condition: bytes | None = None
    zone: str | None = None


def check_name(name: str) -> str:
    """The name, if it has 1 to 100 printable characters."""
    if not 0 < len(name) <= MAX_NAME or name != name.strip() or _CONTROL.search(name):
        raise InvalidInput(
            "FIELD_INVALID",
            f"a name has 1 to {MAX_NAME} printable characters, no spaces around it",
            field="segment.name",
        )
    return name


def check_description(description: str) -> str:
    """The description, if it is not too long."""
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput(
            "FIELD_INVALID",
            f"a description has at most {MAX_DESCRIPTION} characters",
            field="segment.description",
        )
    return description


def changed(segment: Segment, change: Change, etag: str, now_ms: int) -> Segment:
    """The segment after a change; another condition or zone is a new version.

    Raises ``StaleEtag`` when somebody else changed it first.
    """
    if etag != segment.etag:
        raise StaleEtag("ETAG_STALE", "the segment was changed; read it again", etag=segment.etag)
    definition = Definition(
        segment.definition.condition if change.condition is None else change.condition,
        segment.definition.zone if change.zone is None else change.zone or DEFAULT_ZONE,
    )
    return replace(
        segment,
        name=segment.name if change.name is None else check_name(change.name),
        description=(
            segment.description
            if change.description is None
            else check_description(change.description)
        ),
        definition=definition,
        version=segment.version + (definition != segment.definition),
        update_time_ms=max(now_ms, segment.update_time_ms + 1),
    )
