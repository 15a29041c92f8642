"""The domain error family: what a caller may be told, in words no transport knows.

Domain and application code raise these; one place (``siyu_kit.rpc.status``) maps them to
gRPC codes, and the client raises the same classes again. Every error has a ``reason`` from the
service's ``error_reason.proto``; whatever varies in the message also stands in ``metadata``.
"""


class DomainError(Exception):
    """A refusal with a reason. Raise a subclass: the bare class leaves as an internal error."""

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = metadata

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason!r}, {self.message!r})"


class InvalidInput(DomainError):
    """The request is wrong in itself; ``field`` names the offending field by its proto path."""

    def __init__(self, reason: str, message: str, *, field: str = "", **metadata: str) -> None:
        super().__init__(reason, message, **metadata)
        self.field = field


class NotFound(DomainError):
    """The named thing does not exist (told only after the permission check)."""


class AlreadyExists(DomainError):
    """Something with the same natural key exists."""


class Conflict(DomainError):
    """A concurrent change won; read again and retry."""


class StaleEtag(Conflict):
    """The etag given is not the current one."""


class PreconditionFailed(DomainError):
    """The state does not allow it; retrying alone will not help."""


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""


class Unauthenticated(DomainError):
    """The caller is not known: no token, or not a valid one."""


class QuotaExceeded(DomainError):
    """A limit was reached; ``retry_after_s`` says when to try again (0 = unknown)."""

    def __init__(
        self, reason: str, message: str, *, retry_after_s: float = 0.0, **metadata: str
    ) -> None:
        super().__init__(reason, message, **metadata)
        self.retry_after_s = retry_after_s


class TooBusy(QuotaExceeded):
    """The server sheds load; the same request may pass a moment later."""


class DependencyDown(DomainError):
    """Something this call needs cannot be reached now; retrying is sensible."""


class DeadlineExceeded(DependencyDown):
    """The time given for the call ran out; whether it took effect is not known."""


class DataLoss(DomainError):
    """Stored data is damaged or missing; a person has to look."""


class Unimplemented(DomainError):
    """The peer does not know this method."""


class InternalError(DomainError):
    """The peer failed in a way it does not describe; its logs have the trace id."""
