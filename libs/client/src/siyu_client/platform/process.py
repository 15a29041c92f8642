"""One child process: started in a group of its own, stopped by its id, its lines kept in a file."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class ProcessError(Exception):
    """The child did not start, or ended by itself; the message carries its last lines."""


def _bound_to_us() -> list[str]:
    """What makes the kernel end the child when its parent dies.

    A program, not a function between fork and exec: there a parent with gRPC calls under way
    would run gRPC's fork handlers, which now and then abort the child.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


class ChildProcess:
    """A child that may be started again after it was stopped or killed."""

    def __init__(
        self, name: str, command: Sequence[str], variables: Mapping[str, str], log_file: Path
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._command = list(command)
        self._variables = dict(variables)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the child; its output is appended to the log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # the command is ours, never a user's text
                [*_bound_to_us(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._variables},
                start_new_session=True,
                umask=0o077,  # its files are private
            )

    @property
    def ending(self) -> str:
        """How the child ended: its exit code or the signal; "running" while it lives."""
        status = None if self._process is None else self._process.poll()
        if status is None:
            return "running"
        return f"exit code {status}" if status >= 0 else f"killed by signal {-status}"

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``ready``; raise ProcessError when the child ends or the time runs out."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise ProcessError(
                    f"{self.name} ended while it started ({self.ending}):\n{self.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{self.name} was not ready in {timeout_s:.0f} s:\n{self.last_lines()}"
                )
            time.sleep(0.02)

    def terminate(self) -> None:
        """Ask the child to end."""
        if self._process is not None and self.running:
            self._process.terminate()

    def send(self, number: signal.Signals) -> None:
        """Send the child a signal, such as SIGSTOP."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the child at once, as a crash would."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()

    def wait(self, timeout_s: float) -> int | None:
        """Exit status, or None when the child still runs after the time."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def resident_mb(self) -> float:
        """Resident memory of the child, MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def last_lines(self, count: int = 15) -> str:
        """The end of the log file."""
        if not self.log_file.exists():
            return ""
        return "\n".join(
            self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        )
