"""The one mapping between domain errors and ``google.rpc.Status``, in both directions."""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from siyu_kit import errors
from siyu_kit.errors import DomainError, InvalidInput, QuotaExceeded

ERROR_DOMAIN: Final = "siyu"
STATUS_KEY: Final = "grpc-status-details-bin"

_LONGEST: Final = 300
# Characters of a message or a metadata value: all of it travels in trailers of 8 KiB, where
# Chinese text takes nine bytes a character.

_CODES: Final[Mapping[type, int]] = {
    errors.InvalidInput: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.StaleEtag: code_pb2.ABORTED,
    errors.Conflict: code_pb2.ABORTED,
    errors.PreconditionFailed: code_pb2.FAILED_PRECONDITION,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.QuotaExceeded: code_pb2.RESOURCE_EXHAUSTED,
    errors.TooBusy: code_pb2.RESOURCE_EXHAUSTED,
    errors.DependencyDown: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.DataLoss: code_pb2.DATA_LOSS,
    errors.Unimplemented: code_pb2.UNIMPLEMENTED,
}
"""The table of the error model; what is not in it is INTERNAL and says nothing."""

_CLASSES: Final[Mapping[int, type[DomainError]]] = {
    code_pb2.INVALID_ARGUMENT: errors.InvalidInput,
    code_pb2.OUT_OF_RANGE: errors.InvalidInput,
    code_pb2.NOT_FOUND: errors.NotFound,
    code_pb2.ALREADY_EXISTS: errors.AlreadyExists,
    code_pb2.ABORTED: errors.Conflict,
    code_pb2.FAILED_PRECONDITION: errors.PreconditionFailed,
    code_pb2.PERMISSION_DENIED: errors.PermissionDenied,
    code_pb2.UNAUTHENTICATED: errors.Unauthenticated,
    code_pb2.RESOURCE_EXHAUSTED: errors.QuotaExceeded,
    code_pb2.UNAVAILABLE: errors.DependencyDown,
    code_pb2.CANCELLED: errors.DependencyDown,
    code_pb2.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    code_pb2.DATA_LOSS: errors.DataLoss,
    code_pb2.UNIMPLEMENTED: errors.Unimplemented,
}

_BY_REASON: Final[Mapping[str, type[DomainError]]] = {
    "ETAG_STALE": errors.StaleEtag,
    "OVERLOADED": errors.TooBusy,
    "RATE_LIMITED": errors.TooBusy,
    "PROJECT_BUSY": errors.TooBusy,
    "DATABASE_BUSY": errors.TooBusy,
    "STREAM_BUSY": errors.TooBusy,
}
"""Reasons that tell a subclass from the class that shares its code."""

_GRPC_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def code_of(error: BaseException) -> int:
    """The google.rpc code an exception leaves with."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            return code
    return int(code_pb2.INTERNAL)


def grpc_code(code: int) -> grpc.StatusCode:
    """The enum value of grpc for a google.rpc code."""
    return _GRPC_CODES.get(code, grpc.StatusCode.UNKNOWN)


def to_status(error: BaseException, *, trace_id: str = "", **about: str) -> status_pb2.Status:
    """The status a client is sent: exactly one ErrorInfo, and what the class adds to it.

    Anything that the table does not know leaves as "internal error" with the trace id, and what
    ``about`` says of what was asked for.
    """
    code = code_of(error)
    if not isinstance(error, DomainError) or code == code_pb2.INTERNAL:
        return _internal(trace_id, about)
    message = error.message[:_LONGEST]
    status = status_pb2.Status(code=code, message=message)
    metadata = {key: value[:_LONGEST] for key, value in (error.metadata | about).items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)
    if isinstance(error, InvalidInput) and error.field:
        info.metadata["field"] = error.field
    status.details.add().Pack(info)
    if isinstance(error, InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=message, reason=error.reason
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, QuotaExceeded) and error.retry_after_s > 0:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def _internal(trace_id: str, about: Mapping[str, str]) -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.INTERNAL, message="internal error")
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=ERROR_DOMAIN, metadata=about)
    if trace_id:
        info.metadata["trace_id"] = trace_id
    status.details.add().Pack(info)
    return status


def item_status(error: DomainError | None, **about: str) -> status_pb2.Status:
    """The status of one item of a batch: OK for None; ``about`` joins the metadata."""
    return status_pb2.Status() if error is None else to_status(error, **about)


def from_status(status: status_pb2.Status) -> DomainError:
    """The domain error that a status (not OK) stands for."""
    info = error_details_pb2.ErrorInfo()
    violation = ""
    retry_after_s = 0.0
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violation = bad.field_violations[0].field if bad.field_violations else ""
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after_s = retry.retry_delay.ToMilliseconds() / 1000
    return _error(status.code, status.message, info, violation, retry_after_s)


def _error(
    code: int, message: str, info: error_details_pb2.ErrorInfo, field: str, retry_after_s: float
) -> DomainError:
    kind = _BY_REASON.get(info.reason)
    if kind is None or _CODES[kind] != code:
        kind = _CLASSES.get(code, errors.InternalError)
    error = kind(info.reason or grpc_code(code).name, message)
    error.metadata = dict(info.metadata)
    if isinstance(error, InvalidInput):
        error.field = field or error.metadata.get("field", "")
    if isinstance(error, QuotaExceeded):
        error.retry_after_s = retry_after_s
    return error


def from_rpc_error(error: grpc.RpcError) -> DomainError:
    """The domain error a failed call stands for; a peer without details is judged by its code."""
    code = error.code().value[0] if hasattr(error, "code") else code_pb2.UNKNOWN
    for key, value in _trailers(error):
        if key == STATUS_KEY:
            try:
                status = status_pb2.Status.FromString(value)
            except ValueError:
                break
            if status.code == code:
                return from_status(status)
    details = str(error.details() or "") if hasattr(error, "details") else ""
    return from_status(status_pb2.Status(code=code, message=details))


def _trailers(error: grpc.RpcError) -> list[tuple[str, bytes]]:
    if not hasattr(error, "trailing_metadata"):
        return []
    trailers: Any = error.trailing_metadata()
    return list(trailers or ())
