"""Some of the services as real processes on a stream server of the test's own."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from siyu_client.client import SiyuClient
from siyu_client.platform.credentials import Credentials
from siyu_client.platform.ports import choose_ports
from siyu_client.platform.process import ChildProcess
from siyu_client.platform.services import SERVICES, Address, environment

START_S = 300.0


class SmallPlatform:
    """The named services, started when it is made; every service can be killed and restarted."""

    def __init__(
        self, folder: Path, stream_url: str, names: Sequence[str], **settings: str
    ) -> None:
        self.folder = folder
        self._stream_url = stream_url
        self._settings = settings
        self._specs = {spec.name: spec for spec in SERVICES if spec.name in names}
        self.credentials = Credentials.ensure(folder / "keys", [spec.name for spec in SERVICES])
        self.write_key = self.credentials.write_key("demo")
        ports = choose_ports(0, len(SERVICES) + 1, folder / "none")
        self._http = ports.pop()
        self.addresses = {
            spec.name: Address(port, self._http if spec.http else 0)
            for spec, port in zip(SERVICES, ports, strict=True)
        }
        self.processes: dict[str, ChildProcess] = {}
        for name in self._specs:
            self.start(name)
        for name in self._specs:
            self.wait_for(name)

    @property
    def http_url(self) -> str:
        """Base URL of the door for SDKs."""
        return f"http://127.0.0.1:{self._http}"

    def client(self) -> SiyuClient:
        """An administrator's client."""
        targets = {name: address.target for name, address in self.addresses.items()}
        return SiyuClient(targets, self.credentials.tokens("user:test", ["admin"], ["*"]))

    def publish(self) -> None:
        """Let the commands find it."""
        targets = {name: address.target for name, address in self.addresses.items()}
        content = {"targets": targets, "http": self.http_url, "streams": self._stream_url}
        (self.folder / "platform.json").write_text(json.dumps(content))

    def start(self, name: str) -> None:
        """Start a service on its address."""
        data = self.folder / name
        data.mkdir(parents=True, exist_ok=True)
        (data / "ports.json").unlink(missing_ok=True)
        variables = environment(
            self._specs[name], data, self._stream_url, self.addresses, self.credentials.folder
        )
        variables |= self._settings
        command = [sys.executable, "-m", f"siyu_{name}.main"]
        self.processes[name] = ChildProcess(name, command, variables, self.folder / f"{name}.log")
        self.processes[name].start()

    def wait_for(self, name: str) -> None:
        """Return when the service is ready."""
        ports = self.folder / name / "ports.json"

        def ready() -> bool:
            try:
                return bool(json.loads(ports.read_text()))
            except (FileNotFoundError, ValueError):
                return False

        self.processes[name].wait_until(ready, START_S)

    def log(self, name: str) -> str:
        """What a service wrote so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            if process.wait(20) is None:
                process.kill()
