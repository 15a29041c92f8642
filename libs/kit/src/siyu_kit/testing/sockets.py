"""Keeps the fast tier off the network: a test that needs a server must say so."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

_LOOPBACK: Final = ("127.", "::1", "localhost")


class SocketBlocked(RuntimeError):
    """A test of the fast tier reached for the network."""


@contextmanager
def blocked(*, loopback: bool = False) -> Iterator[None]:
    """Make Internet sockets fail to connect, bind and send; unix sockets and pairs work.

    With ``loopback`` the machine's own addresses are allowed.
    """
    guarded = ("connect", "connect_ex", "bind", "sendto")
    with pytest.MonkeyPatch.context() as patch:
        for name in guarded:
            patch.setattr(socket.socket, name, _guard(name, loopback=loopback))
        yield


def _guard(name: str, *, loopback: bool) -> Any:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not (
            loopback and str(args[-1][0]).startswith(_LOOPBACK)
        ):
            raise SocketBlocked(f"{name} {args[-1]}: mark the test integration, e2e or slow")
        return original(self, *args)

    return guarded
