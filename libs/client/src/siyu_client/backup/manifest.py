"""What a backup holds: every file with its SM3 digest, what each store is, which keys it needs.

The keys themselves are never part of a backup. Check values tell at a restore whether the keys that
are there are those that the data was encrypted with.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from siyu_kit.crypto import hmac_sm3, sm3

NAME: Final = "manifest.json"
DIGEST_NAME: Final = "manifest.sm3"
FORMAT: Final = 1
_CHUNK: Final = 1 << 20


class BackupError(Exception):
    """A backup that cannot be made or used; the message says why."""


@dataclass(frozen=True)
class StoreEntry:
    """One store of the platform."""

    kind: str
    """sqlite, postgresql, engine, redis-files, or redis-keys."""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The whole backup; files by their path in its folder."""

    backup_id: str
    created_ms: int
    """The moment that all stores show, milliseconds UTC."""
    stores: Mapping[str, StoreEntry]
    keys: Mapping[str, str]
    """Service -> check value of its key."""
    files: Mapping[str, str]
    """Path -> SM3 digest, hexadecimal."""
    format: int = FORMAT


def write(folder: Path, manifest: Manifest) -> str:
    """Write the manifest; its own digest, to be kept elsewhere."""
    content = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    digest = sm3(content).hex()
    (folder / NAME).write_bytes(content)
    (folder / DIGEST_NAME).write_text(digest + "\n", encoding="ascii")
    return digest


def read(folder: Path, *, expected: str = "") -> Manifest:
    """The manifest. Raises BackupError when it is missing, altered, or not the ``expected`` one."""
    try:
        content = (folder / NAME).read_bytes()
        noted = (folder / DIGEST_NAME).read_text(encoding="ascii").strip()
    except OSError as error:
        raise BackupError(f"no backup in {folder}: {error.strerror}") from error
    digest = sm3(content).hex()
    if digest != noted or (expected and digest != expected):
        raise BackupError("the manifest was altered")
    found = json.loads(content)
    if found["format"] != FORMAT:
        raise BackupError(f"the backup is of format {found['format']}, this release reads {FORMAT}")
    found["stores"] = {name: StoreEntry(**store) for name, store in found["stores"].items()}
    return Manifest(**found)


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise BackupError unless every file is there, unaltered, and no other."""
    present = {str(path.relative_to(folder)) for path in _files(folder)}
    wrong = sorted(present ^ manifest.files.keys())
    wrong += [
        name
        for name in sorted(present & manifest.files.keys())
        if file_digest(folder / name) != manifest.files[name]
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise BackupError(f"altered, missing or added: {', '.join(wrong[:5])}{more}")


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder."""
    return {str(path.relative_to(folder)): file_digest(path) for path in sorted(_files(folder))}


def file_digest(path: Path) -> str:
    """SM3 of a file, read part by part; of a link, where it points to."""
    if path.is_symlink():
        return sm3(b"link|" + os.fsencode(path.readlink())).hex()
    digest = hashes.Hash(hashes.SM3())
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.finalize().hex()


def check_value(key: bytes) -> str:
    """What tells a key from another one and gives nothing of it away."""
    return hmac_sm3(key, b"siyu.backup.key-check")[:8].hex()


def _files(folder: Path) -> Iterator[Path]:
    own = {NAME, DIGEST_NAME}
    return (
        path
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.name not in own
    )
