"""Whose body it is when only the body says so: its write key is found before anything is parsed.

Nobody is known yet, so little may be spent: packed bodies are unpacked one at a time, beside the
event loop, and thrown away again; what waits for its turn is as small as it was sent.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Final

import orjson
from aiohttp import web

from siyu_collect.http import body
from siyu_collect.http.body import BodyLimits
from siyu_collect.http.write_keys import WriteKeys
from siyu_kit.errors import PermissionDenied, Unauthenticated
from siyu_kit.limits.load import Load
from siyu_kit.limits.priority import Priority

UNPACKED_AT_ONCE: Final = 1
_NAME: Final = b'"writeKey"'
_MEMBER: Final = re.compile(_NAME + rb'\s*:\s*("(?:[^"\\]|\\.){1,200}")')


class BodyKeys:
    """Looks keys up that stand in bodies."""

    def __init__(self, keys: WriteKeys, limits: BodyLimits, load: Load) -> None:
        self._keys = keys
        self._limits = limits
        self._load = load
        # Bounded by the HTTP server's number of requests.
        self._turns = asyncio.Semaphore(UNPACKED_AT_ONCE)

    async def project_of(self, request: web.Request, raw: bytes, asked: str) -> str:
        """The project that the body seems to be of; the parsed body must say the same.

        Raises what WriteKeys raises, TooBusy (OVERLOADED), and InvalidInput for what cannot be
        unpacked.
        """
        with self._load.holding(len(raw)):
            async with self._turns:
                self._load.check(Priority.ORDINARY)
                with self._load.holding(self._limits.max_inflated):
                    found = await asyncio.to_thread(self._candidates, request, raw)
        return self._first_known(found, asked)

    def _candidates(self, request: web.Request, raw: bytes) -> list[str]:
        return list(candidates(body.content(request, raw, self._limits.max_inflated)))

    def _first_known(self, found: list[str], asked: str) -> str:
        for key in found[:-1]:
            try:
                return self._keys.project_of(key, asked)
            except (Unauthenticated, PermissionDenied):
                continue
        return self._keys.project_of(found[-1] if found else "", asked)


def candidates(plain: bytes) -> Iterator[str]:
    """The first and the last write key in a JSON text.

    A body's own key stands before or after its messages, so a property of the same name cannot
    hide it, and a body full of keys costs no more than two look-ups.
    """
    for at in sorted({plain.find(_NAME), plain.rfind(_NAME)} - {-1}):
        member = _MEMBER.match(plain, at)
        if member is not None:
            try:
                yield str(orjson.loads(member[1]))
            except orjson.JSONDecodeError:
                continue
