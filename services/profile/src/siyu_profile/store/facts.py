"""Facts in the database: added once by their natural key, loaded by identifier."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from siyu_kit.crypto import sm3
from siyu_kit.sql.dialect import MAX_PARAMETERS, dialect_of
from siyu_kit.sql.upsert import table_of, upsert
from siyu_profile.domain.consents import Consent
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.profile import Facts
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import OperationKind, TraitOperation
from siyu_profile.messages import pack_value, unpack_value
from siyu_profile.store.tables import (
    ConsentRow,
    ContactPointRow,
    RatingRow,
    TraitOperationRow,
)

T = TypeVar("T")
Values = dict[str, Any]

CONTACT_COLUMNS: Sequence[str] = (
    "ident_no",
    "type",
    "sealed_address",
    "address_key",
    "removed",
    "event_time_ms",
)
"""What a later statement of a contact point replaces."""

FACT_TABLES: Sequence[type[SQLModel]] = (
    TraitOperationRow,
    ConsentRow,
    RatingRow,
    ContactPointRow,
)


def chunked(session: AsyncSession, items: Sequence[T], reserved: int = 10) -> Iterator[Sequence[T]]:
    """Parts of a list that fit into one statement's parameters."""
    size = MAX_PARAMETERS[dialect_of(session)] - reserved
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def add_facts(
    session: AsyncSession, table: type[SQLModel], project_id: str, rows: Sequence[Values]
) -> set[str]:
    """Insert facts that are new; keys that exist with other content, in the store or the call.

    ``rows`` carry ``fact_id`` and the columns of the content; the digest is made here.
    """
    fresh: dict[str, Values] = {}
    reused: set[str] = set()
    for row in rows:
        stamped = {"project_id": project_id, **row, "digest": _digest(row)}
        first = fresh.setdefault(row["fact_id"], stamped)
        if first["digest"] != stamped["digest"]:
            reused.add(row["fact_id"])
    inserted = await upsert(
        session, table, list(fresh.values()), key=["project_id", "fact_id"], returning=["fact_id"]
    )
    known = fresh.keys() - {row.fact_id for row in inserted}
    c = table_of(table).c
    for part in chunked(session, sorted(known)):
        found = await session.execute(
            select(c.fact_id, c.digest).where(c.project_id == project_id, c.fact_id.in_(part))
        )
        reused.update(key for key, digest in found if digest != fresh[key]["digest"])
    return reused


async def load_facts(
    session: AsyncSession, project_id: str, person_of: Mapping[int, int]
) -> dict[int, Facts]:
    """All facts of these identifiers, by person."""
    facts: dict[int, Facts] = {person_no: Facts() for person_no in person_of.values()}
    idents = sorted(person_of)
    for part in chunked(session, idents):
        for row in await _rows(session, TraitOperationRow, project_id, part):
            facts[person_of[row.ident_no]].operations.append(_operation(row))
        for row in await _rows(session, ConsentRow, project_id, part):
            facts[person_of[row.ident_no]].consents.append(_consent(row))
        for row in await _rows(session, RatingRow, project_id, part):
            facts[person_of[row.ident_no]].ratings.append(_rating(row))
        for row in await _rows(session, ContactPointRow, project_id, part):
            facts[person_of[row.ident_no]].contacts.append(_contact(row))
    return facts


async def load_consents(
    session: AsyncSession, project_id: str, idents: Sequence[int]
) -> list[Consent]:
    """The statements of consent of these identifiers."""
    found: list[Consent] = []
    for part in chunked(session, sorted(idents)):
        found += [_consent(row) for row in await _rows(session, ConsentRow, project_id, part)]
    return found


async def idents_with_facts(
    session: AsyncSession, project_id: str, idents: Sequence[int]
) -> set[int]:
    """Those of the identifiers for which anything was stated."""
    found: set[int] = set()
    for table in FACT_TABLES:
        c = table_of(table).c
        for part in chunked(session, idents):
            result = await session.execute(
                select(c.ident_no)
                .where(c.project_id == project_id, c.ident_no.in_(part))
                .distinct()
            )
            found.update(result.scalars())
    return found


def operation_row(fact: TraitOperation) -> Values:
    """The columns of an operation."""
    return {
        "fact_id": fact.operation_id,
        "ident_no": fact.ident_no,
        "trait": fact.trait,
        "kind": int(fact.kind),
        "value": pack_value(fact.value),
        "event_time_ms": fact.event_time_ms,
    }


def consent_row(fact: Consent) -> Values:
    """The columns of a consent."""
    return {
        "fact_id": fact.consent_id,
        "ident_no": fact.ident_no,
        "channel": fact.channel,
        "purpose": fact.purpose,
        "granted": fact.granted,
        "text_version": fact.text_version,
        "evidence": fact.evidence,
        "event_time_ms": fact.event_time_ms,
    }


def rating_row(fact: Rating) -> Values:
    """The columns of a rating."""
    return {
        "fact_id": fact.rating_id,
        "ident_no": fact.ident_no,
        "level": fact.level,
        "assessed_time_ms": fact.assessed_time_ms,
        "expire_time_ms": fact.expire_time_ms,
    }


def contact_row(project_id: str, fact: ContactPoint) -> Values:
    """The columns of a contact point."""
    return {
        "project_id": project_id,
        "contact_point_id": fact.contact_point_id,
        "ident_no": fact.ident_no,
        "type": fact.type,
        "sealed_address": fact.sealed_address,
        "address_key": fact.address_key,
        "removed": fact.removed,
        "event_time_ms": fact.event_time_ms,
    }


async def _rows(
    session: AsyncSession, table: type[SQLModel], project_id: str, idents: Sequence[int]
) -> Sequence[Row[Any]]:
    target = table_of(table)
    c = target.c
    columns = [column for column in c if column.name not in {"project_id", "digest"}]
    result = await session.execute(
        select(*columns).where(c.project_id == project_id, c.ident_no.in_(idents))
    )
    return result.all()


def _operation(row: Row[Any]) -> TraitOperation:
    return TraitOperation(
        row.fact_id,
        row.ident_no,
        row.trait,
        OperationKind(row.kind),
        unpack_value(row.value),
        row.event_time_ms,
    )


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        row.fact_id,
        row.ident_no,
        row.channel,
        row.purpose,
        row.granted,
        row.text_version,
        row.evidence,
        row.event_time_ms,
    )


def _rating(row: Row[Any]) -> Rating:
    return Rating(row.fact_id, row.ident_no, row.level, row.assessed_time_ms, row.expire_time_ms)


def _contact(row: Row[Any]) -> ContactPoint:
    return ContactPoint(
        row.contact_point_id,
        row.ident_no,
        row.type,
        row.sealed_address,
        row.address_key,
        row.removed,
        row.event_time_ms,
    )


def _digest(row: Values) -> bytes:
    return sm3(repr(sorted(row.items())).encode())[:16]
