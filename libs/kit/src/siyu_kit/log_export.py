"""Log records by OTLP: what the console shows, after the same redaction, with its trace ids.

Sending has a bounded queue and a thread of its own (the SDK's batch processor); a full queue drops
records rather than hold anybody up.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.trace import NonRecordingSpan
from structlog.typing import EventDict

from siyu_kit.log import foreign_chain
from siyu_kit.telemetry import current_trace, remote_context

_SEVERITIES: Final[Mapping[str, SeverityNumber]] = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_FIELDS: Final = {"exception": "exception.stacktrace", "logger": "logger.name"}
"""Fields that OpenTelemetry has a name for."""
_ELSEWHERE: Final = frozenset({"event", "level", "timestamp", "trace_id", "span_id", "service"})
_MAX_TEXT: Final = 16_384


def export_logs(provider: LoggerProvider | None) -> Callable[[], None]:
    """Send every record of the process to the provider too; the function returned ends that."""
    if provider is None:
        return lambda: None
    handler = _OtlpHandler(provider)
    root = logging.getLogger()
    root.addHandler(handler)
    return lambda: root.removeHandler(handler)


class _OtlpHandler(logging.Handler):
    """Hands over what the formatter of the console would render."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._logger = provider.get_logger("siyu")
        self.addFilter(_is_not_the_exporter)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=foreign_chain(),
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    self._send,
                ],
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        """The last processor sends; what it renders is empty."""
        try:
            self.format(record)
        except Exception:  # noqa: BLE001 - as every handler: a log line fails nobody's work
            self.handleError(record)

    def _send(self, _: Any, __: str, event: EventDict) -> str:
        level = str(event.get("level", "info"))
        body = str(event.get("event", ""))
        self._logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                context=_context(),
                severity_text=level.upper(),
                severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
                body=body[:_MAX_TEXT],
                attributes={
                    _FIELDS.get(key, key): _plain(value)
                    for key, value in event.items()
                    if key not in _ELSEWHERE
                },
            )
        )
        return ""


def _is_not_the_exporter(record: logging.LogRecord) -> bool:
    """What it says about its own trouble must not become more of it."""
    return not record.name.startswith("opentelemetry")


def _context() -> Context:
    """The ids of the running span or scope, recorded or not."""
    ids = current_trace()
    span = trace.INVALID_SPAN if ids is None else NonRecordingSpan(remote_context(ids))
    return trace.set_span_in_context(span, Context())


def _plain(value: Any) -> Any:
    """A value of the types that OTLP has; anything else as the console would print it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)[:_MAX_TEXT]
