"""Real servers for tests: started on free ports in their own directory, stopped by pid."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from siyu_kit.loopback_ports import free_ports

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class ServerFailed(RuntimeError):
    """A server did not come up; the message ends with its log."""


class ServerProcess:
    """A child that ends with us: the kernel kills it even if this process is killed.

    The kernel ties it to the *thread* that started it, so only the main thread may.
    """

    def __init__(self, command: Sequence[str], log: Path, user: str | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ServerFailed("start servers from the main thread")
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_bound_to_us(user), *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=log.parent,
            )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when the server answers; raises ``ServerFailed``."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """End it as a crash does."""
        self.stop(signal.SIGKILL)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    return free_ports(1)[0]


def answers(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _bound_to_us(user: str | None) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user is not None:
            raise ServerFailed("setpriv (util-linux) is needed to start this server as root")
        return []
    command = [setpriv, "--pdeathsig", "KILL"]
    if user is not None:
        account = pwd.getpwnam(user)
        command += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return [*command, "--"]


def give_to(directory: Path, user: str) -> None:
    """Make another account the owner of a directory."""
    account = pwd.getpwnam(user)
    os.chown(directory, account.pw_uid, account.pw_gid)
