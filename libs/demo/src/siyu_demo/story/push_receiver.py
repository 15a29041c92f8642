"""A push provider of our own: a process that takes messages by HTTP and writes each one down.

It is not always well: some messages it refuses for good, and with some it takes the message and
cuts the connection, so that the sender cannot know what became of it.
"""

import argparse
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from siyu_client.platform.process import ChildProcess

TAKEN: Final = "taken"
REFUSED: Final = "refused"
CUT: Final = "cut"


def answer_to(number: int) -> str:
    """What becomes of the message with this number, from 1; faults come early, so few suffice."""
    if number == 3 or number % 60 == 20:
        return REFUSED
    if number == 5 or number % 60 == 40:
        return CUT
    return TAKEN


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One message as it arrived."""

    number: int
    answer: str
    headers: Mapping[str, str]
    body: Any

    @property
    def send_key(self) -> str:
        """The key of the send, as the platform states it."""
        return str(self.body["send_key"])


class PushReceiver:
    """Starts the receiver as a process and reads what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self._ports = folder / "port.json"
        self._record = folder / "messages.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._ports.unlink(missing_ok=True)
        command = [sys.executable, "-m", "siyu_demo.story.push_receiver"]
        command += ["--port-file", str(self._ports), "--record", str(self._record)]
        self.process = ChildProcess("push receiver", command, {}, folder / "receiver.log")
        self.url = ""

    def start(self) -> None:
        """Start the process; ``url`` is where messages go."""
        self.process.start()
        self.process.wait_until(self._ready, 20.0)
        port = json.loads(self._ports.read_text(encoding="utf-8"))
        self.url = f"http://127.0.0.1:{port}/push"

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        if self.process.wait(5.0) is None:
            self.process.kill()

    def messages(self) -> list[PushMessage]:
        """Everything received so far."""
        if not self._record.exists():
            return []
        lines = self._record.read_text(encoding="utf-8").splitlines()
        return [PushMessage(**json.loads(line)) for line in lines]

    def _ready(self) -> bool:
        return self._ports.exists() and self._ports.stat().st_size > 0


class _Handler(BaseHTTPRequestHandler):
    """Takes one message a request."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number, answer = self.server.note(dict(self.headers.items()), body)
        if answer == CUT:
            self.close_connection = True
            return
        status = 200 if answer == TAKEN else 422
        content = {"message_id": f"push-{number}"} if answer == TAKEN else {"error": "token gone"}
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the record says it all."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, record: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._number = 0
        self._file = record.open("a", encoding="utf-8")

    def note(self, headers: dict[str, str], body: Any) -> tuple[int, str]:
        """Write a message down before it is answered."""
        with self._lock:
            self._number += 1
            answer = answer_to(self._number)
            line = {"number": self._number, "answer": answer, "headers": headers, "body": body}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            return self._number, answer


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True)
    options = parser.parse_args()
    with _Server(options.record) as server:
        options.port_file.write_text(str(server.server_address[1]), encoding="utf-8")
        server.serve_forever()


if __name__ == "__main__":
    main()
