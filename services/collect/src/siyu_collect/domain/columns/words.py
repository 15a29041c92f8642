"""Words that were found right before, looked up at many places at once.

A word is taken as it stands on the wire: a tag, its length in one byte, its bytes. Its first and
last eight bytes, and eight in the middle of a long one, choose its place in a table. There the
first and last are compared, and what lies between them after. So a hit is exact. A word that finds
no place in the table is never hit, which costs time only.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Buffer, Ints, Words
from siyu_kit.errors import InvalidInput

_BITS: Final = 14
PLACES: Final = 1 << _BITS
"""Where words may be; numbers of places are below it."""
MAX_WORDS: Final = PLACES // 4
"""Words kept; forgotten all at once, so a flood of new ones costs no memory."""
MAX_LEARNT: Final = 256
"""Places looked at more closely in one call."""
MAX_BYTES: Final = 100
"""Longest word, by the rules of keys and names."""
_MOVES: Final = 32
"""Words moved to make room for one more."""

_SPAN: Final = 8
_HEAD: Final = 2
_ALL: Final = (1 << 64) - 1
_FACTORS: Final = (
    (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F),
    (0xD6E8FEB86659FD93, 0xA0761D6478BD642F),
)
"""Odd numbers without a pattern; two pairs, as a word has two places to be in."""
_FIRST_MASK: Words = np.array(
    [_ALL >> max(0, 8 * (_SPAN - _HEAD - length)) for length in range(256)], np.uint64
)
"""What belongs to a word in the first eight bytes, by its length."""
_LAST_MASK: Words = np.array(
    [_ALL if length > _SPAN - _HEAD else 0 for length in range(256)], np.uint64
)
"""What of the last eight bytes is compared: nothing of a word that the first eight hold."""
_EMPTY: Final = 0xAA << 56 | 3 << 8
"""First bytes of a place without a word: a length of three leaves no room for the highest byte."""


class KnownWords:
    """A table of words with one tag that obey a rule."""

    def __init__(self, tag: int, rule: Callable[[str], None]) -> None:
        """``rule`` raises InvalidInput for a word that is not right."""
        self._tag = tag
        self._rule = rule
        self._forget()

    def find(self, buffer: Buffer, starts: Ints, lengths: Ints) -> Ints:
        """For each start the place of its word in the table, or -1.

        ``lengths`` are the bytes behind each tag. Places hold for this call: words move when new
        ones are learnt, which the call does on the way.
        """
        places = self._find(buffer, starts, lengths)
        missed = np.flatnonzero(places < 0)
        if len(missed) and self._learn(buffer, starts[missed[:: 1 + len(missed) // MAX_LEARNT]]):
            places = self._find(buffer, starts, lengths)
        return places

    def _find(self, buffer: Buffer, starts: Ints, lengths: Ints) -> Ints:
        first = buffer.words[starts] & _FIRST_MASK.take(lengths)
        last = buffer.words[starts + (lengths + (_HEAD - _SPAN))] & _LAST_MASK.take(lengths)
        long = np.flatnonzero(lengths > 2 * _SPAN - _HEAD)
        salt = np.zeros(len(starts), np.uint64)
        salt[long] = buffer.words[starts[long] + lengths[long] // 2]
        places = self._probe(first, last, salt, 0)
        missed = np.flatnonzero(places < 0)
        if len(missed):
            places[missed] = self._probe(first[missed], last[missed], salt[missed], 1)
        long = long[places[long] >= 0]
        if len(long):
            places[long] = self._compare_middles(buffer, starts[long], lengths[long], places[long])
        return places

    def _probe(self, first: Words, last: Words, salt: Words, attempt: int) -> Ints:
        by_first, by_last = _FACTORS[attempt]
        mixed = ((first ^ salt) * np.uint64(by_first)) ^ (last * np.uint64(by_last))
        places = (mixed >> np.uint64(64 - _BITS)).astype(np.int64)
        hit = (self._first.take(places) == first) & (self._last.take(places) == last)
        return places if hit.all() else np.where(hit, places, -1)

    def _compare_middles(self, buffer: Buffer, starts: Ints, lengths: Ints, places: Ints) -> Ints:
        """The places where the bytes between the first and the last agree too, else -1."""
        compared = places.copy()
        for column in range(1, self._middle.shape[1]):
            offset = _SPAN * column
            inside = np.flatnonzero(lengths + (_HEAD - _SPAN) > offset)
            if not len(inside):
                break
            differs = buffer.words[starts[inside] + offset] != self._middle[places[inside], column]
            compared[inside[differs]] = -1
        return compared

    # --- learning ----------------------------------------------------------------------

    def _forget(self) -> None:
        self._at: dict[int, bytes] = {}
        self._first: Words = np.full(PLACES, _EMPTY, np.uint64)
        self._last: Words = np.zeros(PLACES, np.uint64)
        self._middle: Words = np.zeros((PLACES, 1 + (_HEAD + MAX_BYTES) // _SPAN), np.uint64)

    def _learn(self, buffer: Buffer, starts: Ints) -> bool:
        """Take in the right words that begin at the starts; whether there was one."""
        words = {buffer.word(start) for start in starts.tolist()}
        right = [word for word in words if self._is_right(word)]
        if len(self._at) + len(right) > MAX_WORDS:
            self._forget()
        for word in right:
            self._insert(word)
        return bool(right)

    def _is_right(self, word: bytes) -> bool:
        if word[0] != self._tag or not 0 < word[1] <= MAX_BYTES:
            return False
        try:
            self._rule(word[_HEAD:].decode())
        except (UnicodeDecodeError, InvalidInput):
            return False
        return True

    def _insert(self, word: bytes) -> None:
        """Put a word in one of its two places; another that has to leave goes to its own other."""
        for move in range(_MOVES):
            places = _places_of(word)
            place = next((place for place in places if place not in self._at), places[move % 2])
            moved = self._at.get(place)
            self._at[place] = word
            self._first[place], self._last[place] = _ends_of(word)
            for column in range(1, 1 + (len(word) - 1) // _SPAN):
                self._middle[place, column] = _number(word[_SPAN * column :][:_SPAN])
            if moved is None:
                return
            word = moved


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _ends_of(word: bytes) -> tuple[int, int]:
    return _number(word[:_SPAN]), _number(word[-_SPAN:]) if len(word) > _SPAN else 0


def _places_of(word: bytes) -> list[int]:
    first, last = _ends_of(word)
    length = len(word) - _HEAD
    if length > 2 * _SPAN - _HEAD:
        first ^= _number(word[length // 2 :][:_SPAN])
    return [
        ((first * by_first & _ALL) ^ (last * by_last & _ALL)) >> 64 - _BITS
        for by_first, by_last in _FACTORS
    ]
