"""Structured logs: static snake_case events, ids as fields, no personal data.

Own and foreign (standard library) records pass one formatter. Trace ids, method, project and
caller are added when a line is written, so a call that logs nothing pays nothing.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import IO, Any, Final, Protocol

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from siyu_kit.scope import current_scope
from siyu_kit.telemetry import current_trace
from siyu_kit.tracebacks import safe_traceback, without_values

REDACTED: Final = "***"
_AUDIT: Final = "siyu.audit"

_FORBIDDEN: Final = frozenset(
    {
        "address", "api_key", "authorization", "body", "cookie", "email", "fund_account",
        "id_doc", "identifier", "identifiers", "ids", "metadata", "mobile", "name_cn",
        "openid", "password", "payload", "phone", "private_key", "properties", "recipient",
        "request", "response", "secret", "traits", "unionid", "value", "values",
    }
)  # fmt: skip
_FORBIDDEN_ENDINGS: Final = ("token", "secret", "password", "_mobile", "_email", "_value", "_key")
_ALLOWED: Final = frozenset({"send_key", "partition_key"})
# Made here: digits of an id are no telephone.
_OWN: Final = frozenset({"event", "level", "logger", "span_id", "timestamp", "trace_id"})

_PLAIN_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")

# Wherever a caller's text may end, the forms themselves are removed.
_PERSONAL: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:\+?86)?1[3-9]\d{9}(?!\d)"  # mobile
    r"|(?<!\d)\d{17}[\dXx](?!\d)"  # identity card
    r"|(?<![0-9A-Za-z])\d{15,19}(?![0-9A-Za-z])"  # bank card, identity card of old
    r"|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"  # e-mail
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"  # JSON web token
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # credentials in a URL
)


class LogConfig(Protocol):
    """The part of the configuration that logging needs."""

    @property
    def log_level(self) -> str: ...
    @property
    def log_format(self) -> str: ...


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose events are static snake_case strings; everything variable is a field."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def audit_logger() -> FilteringBoundLogger:
    """The logger of the audit trail: it does not follow the log level."""
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(_AUDIT),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return logger


def configure_logging(
    config: LogConfig, *, service: str = "", stream: IO[str] | None = None
) -> None:
    """Send every record of the process through one formatter to ``stream`` (default stderr)."""
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    shared = _shared(service)
    if config.log_format == "json":
        renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=foreign_chain(service),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "asyncio", "aiosqlite", "grpc", "alembic"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def foreign_chain(service: str = "") -> list[Processor]:
    """What a record of somebody else's code passes before it is written or sent anywhere."""
    return [*_shared(service), scrub_foreign]


def _shared(service: str) -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _surroundings(service),
        structlog.processors.ExceptionRenderer(safe_traceback),
        redact,
    ]


def _surroundings(service: str) -> Processor:
    """Add service, trace and call to a line, read from the current scope."""

    def add(_: Any, __: str, event: EventDict) -> EventDict:
        if service:
            event.setdefault("service", service)
        ids = current_trace()
        if ids is not None:
            event.setdefault("trace_id", f"{ids[0]:032x}")
            event.setdefault("span_id", f"{ids[1]:016x}")
        scope = current_scope()
        if scope is not None:
            event.setdefault("method", scope.method)
            if scope.project:
                event.setdefault("project_id", plain_id(scope.project))
            if scope.caller is not None:
                event.setdefault("caller", scope.caller.subject)
        return event

    return add


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """Replace fields that may hold secrets or personal data, and personal forms in all others."""
    for key, value in event.items():
        if key not in _OWN:
            event[key] = REDACTED if _is_forbidden(key) else _scrubbed(value)
    return event


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {k: REDACTED if _is_forbidden(str(k)) else _scrubbed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return value


def scrub_foreign(_: Any, __: str, event: EventDict) -> EventDict:
    """Remove values and personal forms from a message that somebody else's code composed."""
    if isinstance(event.get("event"), str):
        event["event"] = scrub(without_values(event["event"]))
    return event


def plain_id(value: str) -> str:
    """An id that a caller wrote, for logs and labels: a plain word, without personal forms."""
    return scrub(value) if _PLAIN_ID.fullmatch(value) else REDACTED


def scrub(text: str) -> str:
    """``text`` without mobiles, identity card numbers, e-mails, tokens and URL credentials."""
    return _PERSONAL.sub(REDACTED, text)


def _is_forbidden(key: str) -> bool:
    lowered = key.lower()
    if lowered in _FORBIDDEN:
        return True
    return lowered.endswith(_FORBIDDEN_ENDINGS) and lowered not in _ALLOWED
