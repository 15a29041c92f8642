"""Bytes of the parts that a stopped platform's engine keeps: ``sizing_engine.py <path>``."""

import json
import sys
from pathlib import Path

from siyu_analytics.engine.chdb import ChdbEngine

ACTIVE = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database != 'system'"


def main() -> None:
    """Print one line of JSON."""
    engine = ChdbEngine(Path(sys.argv[1]))
    client = engine._open()
    sys.stdout.write(json.dumps({"bytes": float(client.raw_query(ACTIVE).decode())}) + "\n")
    client.close()


if __name__ == "__main__":
    main()
