"""Network namespaces that stand for machines, and programs that run in them.

One namespace is the switch and the control plane, one is each node; every address lies in the range
that is set aside for benchmarks (198.18.0.0/15) and exists in these namespaces alone.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

CONTROL: Final = "198.18.0.10"
SERVICES: Final = "198.18.96.0/20"


class LabError(Exception):
    """Something did not start; the message has its last lines."""


def sh(*command: str) -> str:
    """Run a command to its end; its output."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Lab:
    """The namespaces ``<prefix>-lab`` and ``<prefix>-<node>``, and the processes in them."""

    def __init__(self, prefix: str, folder: Path, nodes: Sequence[str]) -> None:
        self.folder, self.nodes = folder, tuple(nodes)
        self._prefix = prefix
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._others: set[str] | None = None

    def address(self, node: str) -> str:
        """A node's own address."""
        return f"198.18.0.{11 + self.nodes.index(node)}"

    def pod_range(self, node: str) -> str:
        """The addresses of a node's pods."""
        return f"198.18.{32 + self.nodes.index(node)}.0/24"

    def inside(self, place: str, *command: str) -> list[str]:
        """The command, within ``lab`` or a node; `ip netns exec` would hide the cgroups."""
        own = [f"--net=/run/netns/{self._prefix}-{place}"]
        if place in self.nodes:
            own.append(f"--mount={self._mounts(place)}")
        return ["nsenter", *own, *command]

    def _mounts(self, node: str) -> Path:
        return Path(f"/run/{self._prefix}-{node}.mounts")

    def build(self) -> None:
        """Make the namespaces, the switch and the routes."""
        self.clear()
        self._others = _namespaces()
        for place in ("lab", *self.nodes):
            sh("ip", "netns", "add", f"{self._prefix}-{place}")
        for node in self.nodes:
            self._part_logs(node)
        for place in ("lab", *self.nodes):
            sh(*self.inside(place, "ip", "link", "set", "lo", "up"))
            sh(*self.inside(place, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        sh(*self.inside("lab", "ip", "link", "add", "switch", "type", "bridge"))
        sh(*self.inside("lab", "ip", "addr", "add", f"{CONTROL}/24", "dev", "switch"))
        sh(*self.inside("lab", "ip", "link", "set", "switch", "up"))
        for node in self.nodes:
            self._plug(node)
        for place in ("lab", *self.nodes):
            for node in self.nodes:
                if node != place:
                    via = ("via", self.address(node))
                    sh(*self.inside(place, "ip", "route", "add", self.pod_range(node), *via))

    def _part_logs(self, node: str) -> None:
        """A folder of its own where kubelets keep logs: each deletes what is not its own there."""
        logs = self.folder / node / "pods-logs"
        logs.mkdir(parents=True)
        Path("/var/log/pods").mkdir(exist_ok=True)
        mounts = self._mounts(node)
        mounts.touch()
        bind = ("mount", "--bind", str(logs), "/var/log/pods")
        sh("unshare", f"--mount={mounts}", "--propagation", "private", *bind)

    def _plug(self, node: str) -> None:
        own, far = f"port-{node}", f"{self._prefix}-{node}"
        sh(
            *self.inside("lab", "ip", "link", "add", own, "type", "veth"),
            *("peer", "name", "eth0", "netns", far),
        )
        sh(*self.inside("lab", "ip", "link", "set", own, "master", "switch", "up"))
        sh(*self.inside(node, "ip", "addr", "add", f"{self.address(node)}/24", "dev", "eth0"))
        sh(*self.inside(node, "ip", "link", "set", "eth0", "up"))
        sh(*self.inside(node, "ip", "route", "add", "default", "via", CONTROL))

    def cut(self, node: str) -> None:
        """Pull the node's cable."""
        sh(*self.inside("lab", "ip", "link", "set", f"port-{node}", "down"))

    def mend(self, node: str) -> None:
        """Plug it in again."""
        sh(*self.inside("lab", "ip", "link", "set", f"port-{node}", "up"))

    def start(self, name: str, place: str, *command: str) -> None:
        """Start a program in a namespace; its lines go to ``<name>.log``."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                self.inside(place, *command), stdout=out, stderr=out, start_new_session=True
            )
        self._started.append((name, process))

    def until(self, what: str, holds: Callable[[], bool], timeout_s: float) -> float:
        """Wait for a condition; the seconds it took. A program that ended meanwhile is named."""
        began = time.monotonic()
        while True:
            with contextlib.suppress(LabError, OSError):
                if holds():
                    return time.monotonic() - began
            for name, process in self._started:
                if process.poll() is not None:
                    raise LabError(f"{name} ended with {process.returncode}:\n{self.tail(name)}")
            if time.monotonic() - began > timeout_s:
                raise LabError(f"{what}: not within {timeout_s:.0f} s")
            time.sleep(0.2)

    def tail(self, name: str, lines: int = 20) -> str:
        """The end of a program's log."""
        text = (self.folder / "logs" / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End every program, the last one first, by its own id."""
        for _, process in reversed(self._started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self._started.clear()

    def clear(self) -> None:
        """Remove the namespaces, and those that the engines made for pods since ``build``."""
        for node in self.nodes:
            if (mounts := self._mounts(node)).exists():
                subprocess.run(["umount", mounts], check=False, capture_output=True)
                mounts.unlink()
        present = _namespaces()
        own = {f"{self._prefix}-{place}" for place in ("lab", *self.nodes)}
        if self._others is not None:
            own |= {name for name in present - self._others if name.startswith("cni-")}
        for name in own & present:
            sh("ip", "netns", "delete", name)


def _namespaces() -> set[str]:
    return {line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line}
