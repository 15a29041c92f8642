"""A page for Prometheus: the same metrics as by OTLP, under the names Prometheus gives those."""

from typing import Any, Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, start_http_server

_ANY: Final = "0.0.0.0"  # noqa: S104 - what an address without a host means


class PageReader(PrometheusMetricReader):
    """Metrics are read when the page is asked for; it is served by threads of its own."""

    def __init__(self, host: str, port: int) -> None:
        registry = CollectorRegistry()
        super().__init__(scope_info_enabled=False, registry=registry)
        self._server, self._thread = start_http_server(port, host, registry)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.server_port

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout_millis / 1000)
        super().shutdown(timeout_millis, **kwargs)


def metrics_page(listen: str | None) -> PageReader | None:
    """Serve the page at ``host:port``; OSError when the address is taken, None without one."""
    if not listen:
        return None
    host, _, port = listen.rpartition(":")
    return PageReader(host.strip("[]") or _ANY, int(port))
