"""Where the stores of a platform are: those of a folder, or external ones named in a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from siyu_client.backup.manifest import BackupError

DATABASES: Final = ("analytics", "identity", "profile", "segment", "touch")
"""Services that have one."""


@dataclass(frozen=True)
class Stores:
    """The stores of one platform."""

    folder: Path
    """Holds every store that is not named below, and the keys."""
    database_urls: Mapping[str, str] = field(default_factory=dict)
    """PostgreSQL databases by service."""
    stream_url: str = ""
    """An external stream server."""

    @classmethod
    def of(cls, folder: Path, named: Path | None) -> "Stores":
        """The stores of a folder, but for those that a file names.

        ``named``: a JSON file with ``databases`` (service -> file that holds the URL) and
        ``streams`` (such a file); URLs hold passwords and stay out of command lines.
        """
        if named is None:
            return cls(folder)
        try:
            found = json.loads(named.read_text(encoding="utf-8"))
            urls = {
                service: Path(path).read_text(encoding="utf-8").strip()
                for service, path in found.get("databases", {}).items()
            }
            streams = found.get("streams")
            stream_url = Path(streams).read_text(encoding="utf-8").strip() if streams else ""
        except (OSError, ValueError, AttributeError) as error:
            raise BackupError(f"{named.name}: {type(error).__name__}") from error
        if unknown := urls.keys() - set(DATABASES):
            raise BackupError(f"{named.name}: no service {min(unknown)} has a database")
        return cls(folder, urls, stream_url)

    def sqlite(self, service: str) -> Path:
        """The file of a service's database."""
        return self.folder / service / "state.db"

    @property
    def engine(self) -> Path:
        """The embedded engine's folder."""
        return self.folder / "analytics" / "engine"

    @property
    def redis(self) -> Path:
        """The embedded stream server's folder."""
        return self.folder / "redis"

    @property
    def keys(self) -> Path:
        """The keys of the services."""
        return self.folder / "keys"
