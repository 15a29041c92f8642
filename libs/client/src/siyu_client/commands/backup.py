"""`siyu backup`: copies every store of a platform, at one moment, with digests."""

import argparse
import json
import os
from pathlib import Path

from rich.console import Console

from siyu_client.backup.manifest import BackupError
from siyu_client.backup.stores import Stores
from siyu_client.backup.take import take
from siyu_client.commands import running
from siyu_client.platform import PlatformError
from siyu_client.platform.folder_lock import FolderLock


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("backup", help="copy every store of the platform, with digests")
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument(
        "--stores", type=Path, help="JSON file that names external databases and streams"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Hold the services still if they run, copy, and say what is to be kept elsewhere."""
    folder = options.dir.resolve()
    if not folder.is_dir():
        raise PlatformError(f"no platform in {folder}")
    lock = FolderLock(folder)
    stopped = lock.acquire() is None
    try:
        groups = [] if stopped else _groups(folder)
        taken = take(Stores.of(folder, options.stores), options.target.resolve(), groups)
    except BackupError as error:
        raise PlatformError(str(error)) from error
    finally:
        if stopped:
            lock.release()
    console = Console()
    console.print(f"backup {taken.manifest.backup_id}: {len(taken.manifest.files)} files")
    console.print(f"services stood still for {taken.held_s:.2f} s", highlight=False)
    console.print(f"digest of the manifest: {taken.digest}", highlight=False, soft_wrap=True)
    console.print(
        f"NOT in it: the keys in {folder / 'keys'}. Keep them, and the digest, elsewhere.",
        soft_wrap=True,
    )
    return 0


def _groups(folder: Path) -> list[int]:
    """Process groups of the running platform."""
    try:
        found = json.loads((folder / running.PROCESSES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError("the platform is starting or stopping: try again") from None
    try:
        return [pid for pid in found.values() if os.getpgid(pid) == pid]
    except ProcessLookupError:
        raise BackupError("a service has ended: see the logs, and start again") from None
