"""As much of a ClickHouse server's HTTP interface as the driver needs, with every request kept.

It holds no data: answers are set by the test. The first requests of the driver, about version and
settings, it answers by itself.
"""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow as pa

USER, PASSWORD = "siyu", "p@ss:word"


@dataclass
class Request:
    """What came."""

    query: str
    options: dict[str, str]
    body: bytes = b""


@dataclass
class Failure:
    """The error to answer with."""

    code: int
    name: str
    status: int = 500


@dataclass
class ClickHouseStub:
    """The server; ``answer`` is asked for each statement that is not the driver's own."""

    answer: Callable[[Request], pa.Table | Failure | bytes]
    requests: list[Request] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        """Its address, with user and password."""
        return f"http://{USER}:{quote(PASSWORD)}@127.0.0.1:{self.port}/events"

    def sleep_until_killed(self, most_s: float = 10) -> Failure:
        """What a statement does that is killed."""
        self.killed.wait(most_s)
        return Failure(394, "QUERY_WAS_CANCELLED")


class _Server(ThreadingHTTPServer):
    stub: ClickHouseStub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""

    def do_GET(self) -> None:
        self._send(200, b"Ok.\n", {})

    def do_POST(self) -> None:
        request = self._request()
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self._fail(Failure(516, "AUTHENTICATION_FAILED", 403))
            return
        stub = self.server.stub
        stub.requests.append(request)
        own = _own(request)
        answer = stub.answer(request) if own is None else own
        if request.query.startswith("KILL"):
            stub.killed.set()
        if isinstance(answer, Failure):
            self._fail(answer)
        elif isinstance(answer, pa.Table):
            self._send(200, _stream(answer), {"X-ClickHouse-Format": "ArrowStream"})
        else:
            self._send(200, answer, {"X-ClickHouse-Format": "TabSeparated"})

    def _request(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        asked = parse_qs(urlsplit(self.path).query)
        options = {key: values[0] for key, values in asked.items()}
        if "query" in options:
            return Request(options.pop("query"), options, body)
        if body.startswith(b"INSERT"):
            head, _, rest = body.partition(b"\n")
            return Request(head.decode(), options, rest)
        return Request(body.decode(), options)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _fail(self, failure: Failure) -> None:
        text = f"Code: {failure.code}. DB::Exception: no. ({failure.name}) (version 26.9.1.1)\n"
        code = {"X-ClickHouse-Exception-Code": str(failure.code)}
        self._send(failure.status, text.encode(), code)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(stub: ClickHouseStub) -> Iterator[ClickHouseStub]:
    """Serve on a port of this machine until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.stub = stub
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.killed.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _own(request: Request) -> bytes | None:
    """The answer to what the driver asks by itself."""
    if "version()" in request.query:
        return b"26.9.1.1\tUTC\n"
    if "system.settings" in request.query or "SELECT 1 AS check" in request.query:
        return b""
    return None


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
