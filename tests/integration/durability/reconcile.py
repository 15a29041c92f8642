"""The flood at any size, as `make reconcile N=1000000` runs it.

    python tests/integration/durability/reconcile.py [events] [folder]

Sends every event three times, through every door, in random order, with one record in twenty
malformed, while services and stream server are killed in turn every few seconds. Fails unless
every event is stored once, every malformed record is listed with its reason, and the account
balances to the event. Prints the account and how long it took, as JSON.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from google.protobuf.json_format import MessageToDict

sys.path.insert(0, str(Path(__file__).parents[2]))
# Services are started again while calls are under way; gRPC's fork handlers crash such a child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from siyu_kit.testing.redis import RedisServer
from support.flood import COPIES, Flood
from support.flooding import KILLED, audit, flooded
from support.small_platform import SmallPlatform

PAUSE_S = 10.0


async def run(good: int, folder: Path) -> dict[str, object]:
    """One run; the profile service takes part, for the stream is trimmed behind all its readers."""
    server = RedisServer()
    platform = SmallPlatform(folder, server.url, (*KILLED, "profile"))
    try:
        flood = Flood(good, time.time_ns() // 1_000_000)
        started = time.monotonic()
        heard, killed, account = await flooded(
            flood, platform, server, pause_s=PAUSE_S, times=sys.maxsize, patience_s=600
        )
        seconds = time.monotonic() - started
        audit(flood, heard, account)
        return {
            "events": good,
            "malformed": flood.records - good,
            "sent": flood.records * COPIES,
            "kills": dict(killed),
            "calls_repeated": heard.unanswered,
            "account": MessageToDict(account, preserving_proto_field_name=True),
            "seconds": round(seconds, 1),
            "sent_per_s": round(flood.records * COPIES / seconds),
        }
    finally:
        platform.stop()
        server.stop()


def main() -> None:
    """Run and print."""
    good = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(made)
        print(json.dumps(asyncio.run(run(good, folder)), indent=2))


if __name__ == "__main__":
    main()
