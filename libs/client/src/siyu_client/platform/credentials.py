"""Keys of an embedded platform: made once, kept beside its data, readable by their owner alone."""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from siyu_kit.auth import IssuedTokens, TokenIssuer, write_key_pair
from siyu_kit.auth.keys import PUBLIC_KEY_FILE, SIGNING_KEY_FILE, read_signing_key
from siyu_kit.crypto import sm3
from siyu_kit.projects import check_project
from siyu_kit.whole_file import write_whole

_KEY_BYTES = 32


@dataclass(frozen=True)
class Credentials:
    """The folder with the local issuer's keys, a key per service, and the SDKs' write keys."""

    folder: Path

    @classmethod
    def ensure(cls, folder: Path, services: Iterable[str]) -> "Credentials":
        """Make what is missing; what is there stays: derived ids and ciphertext depend on it."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        credentials = cls(folder)
        write_key_pair(folder)
        for name in services:
            path = folder / f"{name}.key"
            if not path.exists():
                _write_private(path, secrets.token_hex(_KEY_BYTES).encode())
        if not credentials.write_keys_file.exists():
            _write_private(credentials.write_keys_file, b"{}")
        return credentials

    @property
    def issuer_key_file(self) -> Path:
        """Private key that signs local tokens, PEM."""
        return self.folder / SIGNING_KEY_FILE

    @property
    def public_key_file(self) -> Path:
        """Public key that verifies them, PEM."""
        return self.folder / PUBLIC_KEY_FILE

    @property
    def write_keys_file(self) -> Path:
        """Digests of the SDKs' write keys, by project, JSON."""
        return self.folder / "write_keys.json"

    def tokens(
        self, subject: str, roles: Sequence[str], projects: Sequence[str] = ("*",)
    ) -> IssuedTokens:
        """A source of short-lived tokens of the local issuer."""
        issuer = TokenIssuer(read_signing_key(self.issuer_key_file))
        return IssuedTokens(issuer, subject, roles, projects)

    def write_key(self, project_id: str) -> str:
        """The write key of a project's SDKs; made at the first call, before the door is started.

        Raises InvalidInput for what is no name of a project: the door refuses a file with one.
        """
        check_project(project_id)
        plain = self.folder / f"write_key.{project_id}"
        if not plain.exists():
            key = secrets.token_hex(16)
            known = json.loads(self.write_keys_file.read_text(encoding="utf-8"))
            known[sm3(key.encode()).hex()] = {"project": project_id}
            _write_private(self.write_keys_file, json.dumps(known).encode())
            _write_private(plain, key.encode())
        return plain.read_text(encoding="utf-8").strip()


def _write_private(path: Path, content: bytes) -> None:
    """With access for the owner alone."""
    write_whole(path, content, 0o600)
