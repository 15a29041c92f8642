"""Outcomes as messages of the contract."""

from collections.abc import Iterable

from siyu.collect.v1.collect_service_pb2 import (
    Durability,
    ImportResponse,
    IngestResponse,
    IngestStreamResponse,
)
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_collect.app.take_events import Outcome, Total
from siyu_collect.domain.sifted import Refused
from siyu_kit.rpc.status import item_status


def item_results(refused: Iterable[Refused]) -> list[ItemResult]:
    """One row for each refused record."""
    return [ItemResult(index=item.index, status=item_status(item.error)) for item in refused]


def ingest_response(outcome: Outcome) -> IngestResponse:
    """Answer of Ingest."""
    return IngestResponse(
        accepted=outcome.accepted,
        refused=item_results(outcome.refused),
        durability=_durability(outcome.durability),
    )


def stream_response(total: Total) -> IngestStreamResponse:
    """Answer of IngestStream."""
    return IngestStreamResponse(
        accepted=total.accepted,
        refused_count=total.refused_count,
        refused=item_results(total.refused),
        durability=_durability(total.durability),
    )


def import_response(total: Total) -> ImportResponse:
    """Answer of Import."""
    return ImportResponse(
        accepted=total.accepted,
        refused_count=total.refused_count,
        refused=item_results(total.refused),
        durability=_durability(total.durability),
    )


def _durability(name: str) -> "Durability.ValueType":
    return Durability.Value(f"DURABILITY_{name.upper() or 'UNSPECIFIED'}")
