"""Cell tokens: the question, the cell and the state of the count, signed.

A token carries no right: whoever opens it is checked like whoever asked. The signature keeps a
made-up one from reaching the engine. Layout before base64: version, MAC, deflated body; body: JSON
of the cell, NUL, the question with its defaults filled in.
"""

import base64
import binascii
import hmac
import json
import secrets
import zlib
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from siyu_analytics.app.ports import Snapshot
from siyu_kit.config import Secret
from siyu_kit.crypto import hmac_sm3
from siyu_kit.errors import InvalidInput

_VERSION: Final = b"\x01"
_MAC: Final = 12
_MAX_BODY: Final = 1_000_000


class CellToken(NamedTuple):
    """What a token says."""

    kind: str
    cell: list[Any]
    pinned: Snapshot
    question: bytes


class CellTokens:
    """Makes and checks the tokens of one service; replicas share the key."""

    def __init__(self, key: Secret | None = None) -> None:
        """Without a key a random one is drawn: tokens then end with the process."""
        self._key = key.reveal().encode() if key else secrets.token_bytes(32)

    def of(self, kind: str, question: Message, pinned: Snapshot) -> "CellMinter":
        """Makes the tokens of one answer."""
        return CellMinter(self._key, kind, question.SerializeToString(deterministic=True), pinned)

    def read(self, token: str) -> CellToken:
        """What a token says; InvalidInput (CELL_TOKEN_INVALID) unless it is ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise invalid_cell() from None
        mac, packed = raw[1 : 1 + _MAC], raw[1 + _MAC :]
        fits = hmac.compare_digest(mac, hmac_sm3(self._key, packed)[:_MAC])
        if raw[:1] != _VERSION or not fits:
            raise invalid_cell()
        body = zlib.decompressobj(-15).decompress(packed, _MAX_BODY)
        head, _, question = body.partition(b"\0")
        kind, cell, state = json.loads(head)
        return CellToken(kind, cell, Snapshot(*state), question)


class CellMinter(NamedTuple):
    """Makes the tokens of one answer."""

    key: bytes
    kind: str
    question: bytes
    pinned: Snapshot

    def mint(self, cell: tuple[Any, ...]) -> str:
        """The token of a cell."""
        state = (
            self.pinned.batch_no,
            self.pinned.identity_sequence,
            self.pinned.profile_sequence,
        )
        head = json.dumps((self.kind, cell, state), ensure_ascii=False, separators=(",", ":"))
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = deflate.compress(head.encode() + b"\0" + self.question) + deflate.flush()
        raw = _VERSION + hmac_sm3(self.key, packed)[:_MAC] + packed
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def invalid_cell() -> InvalidInput:
    """The refusal of a token that is not ours, or of another project."""
    return InvalidInput(
        "CELL_TOKEN_INVALID", "the cell token is none of this project", field="cell_token"
    )
