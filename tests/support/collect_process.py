"""The real collect process, for integration tests and benches."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from siyu_kit.auth import TokenIssuer
from siyu_kit.auth.keys import read_signing_key, write_key_pair
from siyu_kit.crypto import sm3

START_S = 20.0
WRITE_KEY = "write-key-of-demo"
OTHER_KEY = "write-key-of-other"


class CollectProcess:
    """Started on construction, ready when the constructor returns; ``stop`` ends it by pid."""

    def __init__(
        self, redis_url: str, directory: Path, *, unless: str = "\0", **settings: str
    ) -> None:
        signing, public = write_key_pair(directory)
        self._issuer = TokenIssuer(read_signing_key(signing))
        self._log = directory / "collect.log"
        port_file = directory / "ports.json"
        port_file.unlink(missing_ok=True)
        keys = directory / "write_keys.json"
        keys.write_text(json.dumps(_write_keys({WRITE_KEY: "demo", OTHER_KEY: "other"})))
        environment = os.environ | {
            "SIYU_STREAM_URL": redis_url,
            "SIYU_PORT_FILE": str(port_file),
            "SIYU_AUTH_PUBLIC_KEY_FILE": str(public),
            "SIYU_COLLECT_WRITE_KEYS_FILE": str(keys),
            **settings,
        }
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "siyu_collect.main"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.ports = self._wait_for(port_file, unless)

    @property
    def target(self) -> str:
        """Address of the gRPC server."""
        return f"127.0.0.1:{self.ports['grpc']}"

    @property
    def url(self) -> str:
        """Base of the HTTP door."""
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def running(self) -> bool:
        """Whether the process is up."""
        return self.process.poll() is None

    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace")

    def token(self, *roles: str, projects: Iterable[str] = ("demo",)) -> str:
        """A token that it accepts."""
        return self._issuer.mint("user:test", roles or ("ingest",), projects, lifetime_s=300)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self.running:
            self.process.send_signal(how)
        return self.process.wait(30)

    def _wait_for(self, port_file: Path, unless: str) -> Mapping[str, int]:
        """The ports once it is ready; fails when its log has the words of ``unless`` before."""
        deadline = time.monotonic() + START_S
        while not port_file.exists():
            if not self.running or time.monotonic() > deadline or unless in self.log():
                self.stop(signal.SIGKILL)
                raise RuntimeError(self.log()[-2000:])
            time.sleep(0.02)
        ports: Mapping[str, int] = json.loads(port_file.read_text())
        return ports


def _write_keys(projects: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {sm3(key.encode()).hex(): {"project": name} for key, name in projects.items()}
