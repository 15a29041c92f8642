"""Who of an audience gets nothing, so that the effect can be measured."""

import hashlib


def holdout_bucket(salt: str, experiment: str, person_id: str) -> int:
    """The bucket, 0 to 9 999, that a person falls into: the first 8 bytes of an SM3 digest."""
    digest = hashlib.new("sm3", f"{salt}|{experiment}|{person_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000


def is_held_out(salt: str, experiment: str, person_id: str, basis_points: int) -> bool:
    """Whether a person is held out when that share of ten thousand is."""
    return holdout_bucket(salt, experiment, person_id) < basis_points
