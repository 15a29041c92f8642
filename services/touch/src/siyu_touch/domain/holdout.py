"""Who of an audience gets nothing, so that the effect can be measured."""

from pyroaring import BitMap

from siyu_kit.crypto import sm3

BUCKETS = 10_000


def holdout_bucket(project_id: str, campaign_id: str, person_no: int) -> int:
    """The bucket, 0 to 9 999, that a person falls into.

    The first 8 bytes, big endian, of SM3("project_id|campaign_id|person_no"), modulo 10 000; the
    number is written in decimal.
    """
    digest = sm3(f"{project_id}|{campaign_id}|{person_no}".encode())
    return int.from_bytes(digest[:8]) % BUCKETS


def held_out(project_id: str, campaign_id: str, audience: BitMap, basis_points: int) -> BitMap:
    """Those of the audience whose bucket is below the share, given in ten-thousandths."""
    if basis_points == 0:
        return BitMap()
    return BitMap(
        person
        for person in audience
        if holdout_bucket(project_id, campaign_id, person) < basis_points
    )
