"""`siyu restore`: verifies a backup and puts it into empty stores."""

import argparse
from pathlib import Path

from rich.console import Console

from siyu_client.backup.manifest import BackupError
from siyu_client.backup.put_back import put_back
from siyu_client.backup.stores import Stores
from siyu_client.commands import running
from siyu_client.platform import PlatformError
from siyu_client.platform.folder_lock import FolderLock


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("restore", help="put a backup into empty stores")
    parser.add_argument("source", type=Path, help="the folder of the backup")
    parser.add_argument(
        "--dir", type=Path, default=Path(running.DEFAULT_FOLDER), help="data, keys and logs"
    )
    parser.add_argument(
        "--stores", type=Path, help="JSON file that names external databases and streams"
    )
    parser.add_argument("--digest", default="", help="digest of the manifest, as backup said it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Restore, and say what is left to do."""
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FolderLock(folder)
    if holder := lock.acquire():
        raise PlatformError(f"a platform runs in {folder} (pid {holder}): stop it first")
    try:
        found = put_back(
            Stores.of(folder, options.stores), options.source.resolve(), expected=options.digest
        )
    except BackupError as error:
        raise PlatformError(str(error)) from error
    finally:
        lock.release()
    console = Console()
    console.print(f"restored backup {found.backup_id}: {len(found.files)} files, all digests equal")
    console.print(
        "touch sends nothing until the freeze is lifted: report what the providers have sent since"
        " (RecordReceipts), then `siyu call touch LiftFreeze`",
        soft_wrap=True,
    )
    return 0
