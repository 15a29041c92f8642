"""What is kept of an audited call, and how records are chained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from siyu_kit.crypto.chain import linked


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Who did what. Nothing in it is personal data of customers: ids of class C1 alone."""

    time_ms: int
    actor: str
    """The caller's subject."""
    method: str
    """``siyu.x.v1.XService/Method``."""
    project_id: str
    """The project, or ``*``."""
    request_id: str
    """As the caller gave it; empty when the method has none."""
    trace_id: str
    outcome: str
    """A gRPC code: ``OK``, ``NOT_FOUND``, ..."""
    reason: str
    """Of the catalogue of errors; empty when it succeeded."""
    objects: Mapping[str, str] = field(default_factory=dict)
    """What it was about: field of the request -> id."""

    def canonical(self) -> str:
        """The entry as one text, the same for the same entry."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class AuditRecord:
    """An entry in its place; ``digest`` covers it and all before it."""

    number: int
    """Dense, from 1."""
    entry: AuditEntry
    previous: str
    digest: str

    @classmethod
    def after(cls, head: "Head", entry: AuditEntry) -> "AuditRecord":
        """The record that follows a head."""
        number = head.number + 1
        return cls(number, entry, head.digest, digest_of(head.digest, number, entry))


@dataclass(frozen=True)
class Head:
    """The end of a chain: what an export keeps elsewhere as an anchor."""

    number: int
    digest: str


def digest_of(previous: str, number: int, entry: AuditEntry) -> str:
    """The digest of the entry at this place."""
    return linked(previous, str(number), entry.canonical())
