"""Bodies as bytes: bounded in size and time, unpacked within bounds."""

import asyncio
import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from siyu_collect.domain.limits import MAX_EVENTS, MAX_PROPERTIES
from siyu_collect.domain.records import invalid
from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput

MAX_VALUES: Final = MAX_EVENTS * (MAX_PROPERTIES + 20)
"""Values in a body: a full batch of full events, with what each of them has beside properties."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ANY_ZLIB: Final = 32 + zlib.MAX_WBITS


class BodyTooLarge(InvalidInput):
    """More bytes than a request may bring; sending it again is of no use."""


class BodyTooSlow(InvalidInput):
    """The body did not arrive in time."""


@dataclass(frozen=True)
class BodyLimits:
    """Bounds of one body."""

    max_bytes: int
    max_inflated: int
    timeout_s: float


def bad_body(problem: str) -> InvalidInput:
    """The refusal of a body that cannot be read at all."""
    return InvalidInput("BODY_INVALID", f"the body {problem}", field="body")


async def read(request: web.Request, limits: BodyLimits) -> bytes:
    """The body as sent. Raises BodyTooLarge, BodyTooSlow."""
    parts, size = [], 0
    if request.content_length is not None and request.content_length > limits.max_bytes:
        raise _too_large(limits.max_bytes)
    try:
        async with asyncio.timeout(limits.timeout_s):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limits.max_bytes:
                    raise _too_large(limits.max_bytes)
                parts.append(part)
    except TimeoutError:
        raise BodyTooSlow("BODY_INVALID", "the body did not arrive in time", field="body") from None
    return b"".join(parts)


def inflated(data: bytes, max_bytes: int) -> bytes:
    """Gzip or zlib undone. Raises BodyTooLarge before more than that is unpacked.

    One member is the whole: no SDK sends more, and what stood behind it would be lost.
    """
    engine = zlib.decompressobj(_ANY_ZLIB)
    try:
        plain = engine.decompress(data, max_bytes + 1)
    except zlib.error:
        raise bad_body("is not valid gzip") from None
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not engine.eof:
        raise bad_body("ends inside its gzip data")
    if engine.unused_data:
        raise bad_body("goes on behind its gzip data")
    return plain


def content(request: web.Request, data: bytes, max_inflated: int) -> bytes:
    """The body without its Content-Encoding."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding in {"gzip", "deflate", "x-gzip"}:
        return inflated(data, max_inflated)
    if encoding != "identity":
        raise bad_body("has an encoding that is not taken")
    return data


def from_base64(data: str, *, gzip: bool, max_inflated: int) -> bytes:
    """Base64 of plain or gzip data, as the Sensors SDKs send it."""
    try:
        # A "+" that was not escaped in a form arrives as a blank; some SDKs use the URL alphabet.
        text = data.strip().replace(" ", "+").replace("-", "+").replace("_", "/")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad_body("is not valid base64") from None
    if gzip or raw.startswith(_GZIP_MAGIC):
        return inflated(raw, max_inflated)
    return raw


def parsed(data: bytes) -> Any:
    """JSON. Raises InvalidInput (BODY_INVALID), BodyTooLarge for more than ``MAX_VALUES``."""
    _check_values(data)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise bad_body("is not valid JSON") from None


def record_digest(record: Any) -> str:
    """The message id of a record that brings none: a digest of all it says.

    Raises InvalidInput (RECORD_INVALID) for one nested deeper than can be written: the parser
    reads 1 024 levels, and its counterpart writes 254.
    """
    try:
        data = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise invalid("record", "the values are nested too deeply") from None
    return sm3(data).hex()


def _check_values(data: bytes) -> None:
    """Refuse what would take many times its own size once it is parsed: ``[],[],[]``.

    Each value costs a comma or a bracket. Those inside of texts count too: that is cheap and fast.
    """
    if len(data) > MAX_VALUES and sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BodyTooLarge(
            "BODY_TOO_LARGE",
            f"a body has at most {MAX_VALUES} values",
            field="body",
            limit=str(MAX_VALUES),
        )


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        "BODY_TOO_LARGE", f"a body has at most {limit} bytes", field="body", limit=str(limit)
    )
