"""Write keys of the SDKs: which key may write to which project. Only digests are stored."""

import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from siyu_kit.crypto import sm3
from siyu_kit.errors import DomainError, PermissionDenied, Unauthenticated
from siyu_kit.log import get_logger
from siyu_kit.projects import check_project
from siyu_kit.watched import Stamp, stamp

logger = get_logger(__name__)


class WriteKeys:
    """The key file, read again when it changes; a broken file leaves the keys as they were."""

    def __init__(self, path: Path | None) -> None:
        """Raises ValueError or OSError for a file that cannot be used at start."""
        self._path = path
        self._stamp: Stamp | None = None
        self._projects: Mapping[bytes, str] = {}
        if path is not None:
            self._stamp = stamp([path])
            self._projects = _read(path)

    def project_of(self, key: str, asked: str = "") -> str:
        """The key's project. Raises Unauthenticated, or PermissionDenied when another is asked."""
        if not key:
            raise Unauthenticated("TOKEN_INVALID", "a write key is required", cause="missing")
        digest = sm3(key.encode("utf-8", "surrogatepass")).hex().encode()
        project = ""
        for known, owner in self._projects.items():
            if hmac.compare_digest(known, digest):  # all are compared: time tells nothing
                project = owner
        if not project:
            raise Unauthenticated("TOKEN_INVALID", "the write key is not known", cause="signature")
        if asked and asked != project:
            raise PermissionDenied(
                "PROJECT_FORBIDDEN",
                "the write key does not cover the project",
                project_id=asked[:64],
            )
        return project

    def refresh(self) -> None:
        """Read the file again if it changed."""
        if self._path is None:
            return
        try:
            found = stamp([self._path])
            if found != self._stamp:
                self._projects = _read(self._path)
                self._stamp = found
                logger.info("write_keys_read", keys=len(self._projects))
        except (OSError, ValueError, DomainError) as error:
            logger.warning("write_keys_unreadable", error_type=type(error).__name__)


def _read(path: Path) -> dict[bytes, str]:
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, dict):
        raise ValueError("the write key file is a JSON object")  # noqa: TRY004
    keys = {}
    for digest, entry in entries.items():
        project = entry.get("project") if isinstance(entry, dict) else None
        if len(digest) != 64 or not isinstance(project, str):
            raise ValueError('an entry is "<SM3 hex of the key>": {"project": "..."}')
        check_project(project)
        keys[digest.lower().encode()] = project
    return keys
