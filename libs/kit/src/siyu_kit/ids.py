"""Time-ordered unique ids (the layout of UUID version 7, RFC 9562) as 32 hex characters."""

import os
import time

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_RAND_A_MASK = ((1 << 12) - 1) << 64
_RAND_B_MASK = (1 << 62) - 1


def new_id() -> str:
    """A fresh id. Ids made later sort later (by millisecond), whoever made them."""
    now_ms = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10))
    value = (
        (now_ms & 0xFFFF_FFFF_FFFF) << 80
        | _VERSION_7
        | (random_bits & _RAND_A_MASK)
        | _VARIANT
        | (random_bits & _RAND_B_MASK)
    )
    return f"{value:032x}"
