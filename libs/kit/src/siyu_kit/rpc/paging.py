"""Opaque page tokens: a cursor bound to the request it belongs to."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from google.protobuf.message import Message

from siyu_kit.config import Secret
from siyu_kit.errors import InvalidInput

_VERSION: Final = b"\x01"
_MAC: Final = 16


class PageTokens:
    """Makes and checks the tokens of one service; replicas share the key."""

    def __init__(self, key: bytes | Secret | None = None) -> None:
        """Without a key a random one is drawn: tokens then end with the process."""
        raw = key.reveal().encode() if isinstance(key, Secret) else key
        self._key = raw or secrets.token_bytes(32)

    def encode(self, cursor: bytes | str, request_digest: bytes = b"") -> str:
        """The token that continues after ``cursor`` in the same request."""
        raw = cursor.encode() if isinstance(cursor, str) else cursor
        mac = self._mac(raw, request_digest)
        return base64.urlsafe_b64encode(_VERSION + mac + raw).decode().rstrip("=")

    def decode(self, token: str, request_digest: bytes = b"") -> bytes:
        """The cursor, empty for an empty token; InvalidInput for a token of another request."""
        if not token:
            return b""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise _invalid() from None
        mac, cursor = raw[1 : 1 + _MAC], raw[1 + _MAC :]
        fits = hmac.compare_digest(mac, self._mac(cursor, request_digest))
        if raw[:1] != _VERSION or not fits:
            raise _invalid()
        return cursor

    def _mac(self, cursor: bytes, request_digest: bytes) -> bytes:
        text = len(request_digest).to_bytes(4) + request_digest + cursor
        return hmac.digest(self._key, text, "sha256")[:_MAC]


def request_digest(request: Message) -> bytes:
    """A digest of the request's type and of its fields but ``page_token`` and ``page_size``."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field in ("page_token", "page_size"):
        if field in request.DESCRIPTOR.fields_by_name:
            copy.ClearField(field)
    # The type too: listings of one service may have the same fields under the same numbers.
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\0" + copy.SerializeToString(deterministic=True)).digest()


def page_size(asked: int, *, default: int = 100, most: int = 1_000) -> int:
    """Rows of a page: the default for 0, lowered to the most; InvalidInput when negative."""
    if asked < 0:
        raise InvalidInput("FIELD_INVALID", "a page size is not negative", field="page_size")
    return min(asked or default, most)


def _invalid() -> InvalidInput:
    return InvalidInput(
        "PAGE_TOKEN_INVALID", "the page token is not of this request", field="page_token"
    )
