"""One re-stitch of so many links: prints the CPU seconds it took and the process's peak in MB.

A third more identifiers than links, as at a broker: customers with a phone, a device and a cookie;
one device in fifty is shared by two customers, so that some components are in conflict.
"""

import json
import random
import resource
import sys
import time

from siyu_identity.domain.evidence import NEVER, Edge
from siyu_identity.domain.presets import BROKER
from siyu_identity.domain.restitch import restitch
from siyu_identity.domain.world import World

FAMILY = ("customer_no", "mobile", "device_id", "anonymous_id")


def main(edges: int) -> None:
    """Build a world and stitch it."""
    world = made(edges, random.Random(7))
    started = time.process_time()
    stitched = restitch(world, BROKER)
    seconds = time.process_time() - started
    if not stitched.conflicts:
        raise SystemExit("no component was in conflict")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": seconds, "peak_mb": peak}))


def made(edges: int, rng: random.Random) -> World:
    """Families of four identifiers tied by three links, and devices that two of them share."""
    world, links, shared = World(), 0, 0
    while links < edges:
        first = world.last + 1
        keys = [rng.randbytes(16) for _ in FAMILY]
        world.add_identifiers(FAMILY, keys, [0] * 4, range(first, first + 4), [False] * 4)
        said = [(first, first + 1), (first, first + 2), (first + 2, first + 3)]
        if shared and rng.random() < 0.02:
            said.append((shared, first))
        shared = first + 2
        world.add_links(
            [(left, right, *Edge(3, 1_000 + left, 1_000 + left, NEVER)) for left, right in said]
        )
        links += len(said)
    return world


if __name__ == "__main__":
    main(int(sys.argv[1]))
