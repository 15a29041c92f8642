"""Loopback ports for servers that are started a moment later."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_LOWEST: Final = 10_000
_LAST: Final = 65_535
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FEWEST: Final = 1_000
"""A choice among fewer than this is left to the system."""


def free_ports(count: int) -> list[int]:
    """So many different ports nobody listens on now.

    Not of those that the system gives to outgoing connections, where it tells them (Linux): one of
    these may be taken by the time that the server starts. Another process that asks is given others
    for about a minute: each port is left in TIME_WAIT, over which a server with SO_REUSEADDR binds
    and this does not. Raises OSError when there are none.
    """
    wanted = _candidates()
    with ExitStack() as held:
        probes = [held.enter_context(_listening(wanted)) for _ in range(count)]
        for probe in probes:
            _leave_in_time_wait(probe)
        return [probe.getsockname()[1] for probe in probes]


def _listening(wanted: Iterator[int]) -> socket.socket:
    for port in wanted:
        probe = socket.socket()
        try:
            probe.bind(("127.0.0.1", port))
            # Only now: before the bind it would go over a port that another has just been given.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.listen(1)
        except OSError:
            probe.close()
            continue
        return probe
    raise OSError("no loopback port is free")


def _leave_in_time_wait(probe: socket.socket) -> None:
    """End a connection to the port from the port's side: that side is the one that waits."""
    with socket.create_connection(probe.getsockname()), probe.accept()[0] as ending:
        ending.shutdown(socket.SHUT_RDWR)


def _candidates() -> Iterator[int]:
    """Ports in a random order, so that processes side by side try different ones first."""
    try:
        first, last = map(int, _RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        first, last = _LOWEST, _LAST
    ports = [*range(_LOWEST, first), *range(last + 1, _LAST + 1)]
    if len(ports) < _FEWEST:
        ports = [0] * _FEWEST
    random.shuffle(ports)
    return iter(ports)
