"""The streams of an external server, key by key, as the server itself serializes them."""

import base64
import json
from pathlib import Path
from typing import Any, Final

from redis import Redis

from siyu_client.backup.manifest import BackupError

_PATTERN: Final = "siyu.*"
NAME: Final = "keys.jsonl"


def dump(url: str, folder: Path) -> int:
    """Write every key of the platform; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with _server(url) as server, (folder / NAME).open("w", encoding="ascii") as file:
        for key in sorted(server.scan_iter(match=_PATTERN)):
            content = server.dump(key)
            if content is None:
                continue
            line = {"key": key.decode(), "content": base64.b64encode(content).decode()}
            file.write(json.dumps(line) + "\n")
            count += 1
    return count


def check_empty(url: str) -> None:
    """Raises BackupError when the server has keys of the platform."""
    with _server(url) as server:
        if next(server.scan_iter(match=_PATTERN), None) is not None:
            raise BackupError(
                "the stream server has keys of the platform: restore into an empty one"
            )


def load(url: str, folder: Path) -> int:
    """Put every key back; how many. The server has none of them, see ``check_empty``."""
    count = 0
    with _server(url) as server, (folder / NAME).open(encoding="ascii") as file:
        for line in file:
            entry = json.loads(line)
            server.restore(entry["key"], 0, base64.b64decode(entry["content"]))
            count += 1
    return count


def _server(url: str) -> Any:
    """Untyped: its types leave open whether a command is awaited."""
    return Redis.from_url(url)
