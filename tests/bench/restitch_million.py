"""A project of so many identifiers, linked batch by batch on PostgreSQL, then made anew.

Usage: restitch_million.py [IDENTIFIERS]. The evidence comes in an order of its own, a fifth of it
twice, some of it withdrawn again; devices are shared, so that there are conflicts and quarantine.
A second process reads the evidence alone and makes all persons anew. Ends with status 1 when a
person, a quarantine or a conflict differs from what the service has come to.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from siyu_kit.testing.postgres import PostgresServer

TESTS = Path(__file__).resolve().parents[1]
BATCH = 1_000
FAMILY = 4
"""Identifiers of one customer: a number, a phone, a device and a cookie."""


def main(identifiers: int) -> int:
    """The exit status."""
    server = PostgresServer()
    try:
        url = server.url(server.create_database())
        filled = asyncio.run(_fill(url, identifiers))
        done = subprocess.run(
            [sys.executable, __file__, "stitch", url, filled["project"]],
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        server.stop()
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        return 1
    print(json.dumps(filled | json.loads(done.stdout), indent=2))
    return 0


async def _fill(url: str, identifiers: int) -> dict[str, Any]:
    from siyu_identity.bootstrap import MIGRATIONS
    from siyu_kit.sql.migrate import upgrade
    from support.identity_books import Books

    await upgrade(url, MIGRATIONS)
    books = Books(url)
    book = books.open()
    said = _said(identifiers // FAMILY, random.Random(4))
    started = time.perf_counter()
    for start in range(0, len(said), BATCH):
        await book.write(said[start : start + BATCH], [BATCH])
    seconds = time.perf_counter() - started
    await books.database.aclose()
    return {
        "project": book.project,
        "statements": len(said),
        "online_s": round(seconds, 1),
        "online_statements_per_s": round(len(said) / seconds),
    }


def _said(families: int, rng: random.Random) -> Sequence[Any]:
    said = list(_statements(families, rng))
    said += rng.sample(said, len(said) // 5)
    rng.shuffle(said)
    return said


def _statements(families: int, rng: random.Random) -> Iterator[Any]:
    from siyu_identity.domain.evidence import Identifier, link, unlink

    for number in range(families):
        customer = Identifier("customer_no", f"c{number}")
        phone = Identifier("mobile", f"+86139{number:08d}")
        device = Identifier("device_id", f"d{number}")
        cookie = Identifier("anonymous_id", f"a{number}")
        at = 1_000 + rng.randrange(10_000)
        yield customer, phone, link(2, at)
        yield customer, device, link(3, at + 1)
        yield device, cookie, link(5, at + 2)
        if rng.random() < 0.05:
            # Somebody else logs in here; one in five of these devices stands in a branch.
            other = Identifier("device_id", f"d{rng.randrange(number + 1)}")
            shared = Identifier("device_id", f"branch-{rng.randrange(1 + families // 500)}")
            yield customer, shared if rng.random() < 0.2 else other, link(3, at + 3)
        if rng.random() < 0.02:
            yield customer, device, unlink(at + 5_000)


def stitch(url: str, project: str) -> None:
    """Read, make anew, compare; prints figures as JSON, ends with status 1 for a difference."""
    from siyu_identity.domain.comparison import compare
    from siyu_identity.domain.restitch import restitch

    started = time.perf_counter()
    world, policy = asyncio.run(_read(url, project))
    read = time.perf_counter()
    stitched = restitch(world, policy)
    made = time.perf_counter()
    found = compare(world, stitched)
    compared = time.perf_counter()
    same = (
        world.persons.tobytes() == stitched.persons.tobytes()
        and world.quarantined == stitched.quarantined
        and world.conflicts == stitched.conflicts
        and found.digest == found.digest_served
    )
    print(
        json.dumps(
            {
                "identifiers": found.identifiers,
                "links": found.links,
                "persons": found.persons,
                "quarantined": found.quarantined,
                "conflicts": found.conflicts,
                "moved": found.moved,
                "digest": found.digest,
                "read_s": round(read - started, 2),
                "restitch_s": round(made - read, 2),
                "compare_s": round(compared - made, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )
    if not (same and found.conflicts and found.quarantined):
        sys.exit(1)


async def _read(url: str, project: str) -> Any:
    from support.identity_books import Books

    books = Books(url)
    try:
        return await books.survey.world(project), await books.survey.policy(project)
    finally:
        await books.database.aclose()


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    if sys.argv[1:2] == ["stitch"]:
        stitch(*sys.argv[2:])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
