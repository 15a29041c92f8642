"""Answers: status codes that make SDKs do the right thing, and JSON that says why.

Success is 200 also when single records were refused: they are listed, and an SDK that saw an
error would send the whole batch again for ever. 400, 401, 403 and 413 make SDKs give a body up;
429 and 503 make them come again.
"""

import math
from typing import Any, Final

import orjson
from aiohttp import web

from siyu_collect.app.take_events import Outcome
from siyu_collect.domain.sifted import Refused
from siyu_collect.http.body import BodyTooLarge, BodyTooSlow
from siyu_kit import errors

MAX_LISTED: Final = 1_000
_STATUS: Final = (
    (BodyTooLarge, 413),
    (BodyTooSlow, 408),
    (errors.InvalidInput, 400),
    (errors.Unauthenticated, 401),
    (errors.PermissionDenied, 403),
    (errors.QuotaExceeded, 429),
    (errors.DependencyDown, 503),
)


def taken(outcome: Outcome) -> web.Response:
    """What became of the records of one body."""
    refused = outcome.refused
    return _json(
        200,
        {
            "success": True,
            "accepted": outcome.accepted,
            "durability": outcome.durability,
            "refused_count": len(refused),
            "refused": [_row(item) for item in refused[:MAX_LISTED]],
        },
    )


def failed(error: errors.DomainError) -> web.Response:
    """A whole request refused."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if status == 500:
        return broken("")
    response = _json(status, {"success": False, **_told(error)})
    if isinstance(error, errors.QuotaExceeded):
        # In whole seconds, and never 0: that reads as "at once".
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="siyu"'
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        response.force_close()
    return response


def broken(trace_id: str) -> web.Response:
    """A fault of ours."""
    body = {"success": False, "code": "INTERNAL", "message": "internal error"}
    return _json(500, body | ({"trace_id": trace_id} if trace_id else {}))


def _row(refused: Refused) -> dict[str, Any]:
    return {"index": refused.index, **_told(refused.error)}


def _told(error: errors.DomainError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.reason, "reason": error.reason, "message": error.message}
    field = getattr(error, "field", "")
    return told | error.metadata | ({"field": field} if field else {})


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(body), content_type="application/json", charset="utf-8"
    )
