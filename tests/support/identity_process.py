"""The real identity process, to be killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu_kit.auth import FixedToken, TokenIssuer
from siyu_kit.auth.keys import read_signing_key, write_key_pair
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import connect
from support.identity_service import SECRET

START_S = 150.0


class IdentityProcess:
    """Started on construction, ready when the constructor returns; always at the same socket."""

    def __init__(self, database_url: str, redis_url: str, directory: Path, **settings: str) -> None:
        self._directory = directory
        signing, public = write_key_pair(directory)
        self._issuer = TokenIssuer(read_signing_key(signing))
        self.target = f"unix:{directory / 'grpc.sock'}"
        self._environment = os.environ | {
            "SIYU_DATABASE_URL": database_url,
            "SIYU_STREAM_URL": redis_url,
            "SIYU_IDENTITY_KEY": SECRET.reveal(),
            "SIYU_AUTH_PUBLIC_KEY_FILE": str(public),
            "SIYU_LISTEN": self.target,
            "SIYU_PORT_FILE": str(directory / "ports.json"),
            "SIYU_STREAM_DURABILITY": "relaxed",
            **settings,
        }
        self.start()

    def start(self) -> None:
        """Start it; returns once it is ready."""
        port_file = self._directory / "ports.json"
        port_file.unlink(missing_ok=True)
        log = self._directory / "identity.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "siyu_identity.main"],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_S
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise RuntimeError(log.read_text(errors="replace")[-2_000:])
            time.sleep(0.02)
        json.loads(port_file.read_text())

    def channel(self, subject: str, *roles: str) -> KitChannel:
        """A channel that calls as somebody."""
        token = self._issuer.mint(subject, roles or ("admin",), ("*",), lifetime_s=300)
        return connect(self.target, FixedToken(token))

    def stub(self, channel: KitChannel) -> pb_grpc.IdentityServiceStub:
        """The stub of a channel."""
        return pb_grpc.IdentityServiceStub(channel)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)
