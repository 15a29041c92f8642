"""Loopback ports of the embedded platform: from a base on, those of the last run, or any."""

import json
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from siyu_kit.loopback_ports import free_ports

_LAST: Final = 65_535


class PortTakenError(Exception):
    """A port that was asked for is in use, or is none; the message names it."""


def choose_ports(base: int, count: int, remembered: Path) -> list[int]:
    """``base`` and the ``count - 1`` after it; with 0 those of the last run if free, else any."""
    if base:
        if not 1 <= base <= _LAST + 1 - count:
            raise PortTakenError(f"{count} ports from {base} on do not exist; the last is {_LAST}")
        wanted = [base + offset for offset in range(count)]
        _check_free(wanted)
        return wanted
    last = _last(remembered, count)
    if last:
        with suppress(PortTakenError):
            _check_free(last)
            return last
    return free_ports(count)


def remember_ports(ports: list[int], file: Path) -> None:
    """Keep the ports for the next run in the same folder."""
    file.write_text(json.dumps(ports), encoding="utf-8")


def _last(file: Path, count: int) -> list[int] | None:
    """The ports of the last run; None when there was none with so many."""
    try:
        ports = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    usable = isinstance(ports, list) and len(ports) == count and all(map(_is_port, ports))
    return ports if usable else None


def _is_port(value: object) -> bool:
    return type(value) is int and 0 < value <= _LAST


def _check_free(wanted: list[int]) -> None:
    """Raise PortTakenError unless all of them can be held at once."""
    with ExitStack() as held:
        for port in wanted:
            probe = held.enter_context(socket.socket())
            # A closed connection in TIME_WAIT is no server: the services bind over it too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise PortTakenError(
                    f"port {port} is taken ({error.strerror}); choose others with --base-port"
                ) from error
