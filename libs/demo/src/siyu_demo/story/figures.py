"""What the story took: time by chapter, memory of every process before and after."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic


@dataclass(slots=True)
class Figures:
    """Collected while the story is told; seconds of wall time, memory in MB."""

    chapters_s: dict[str, float] = field(default_factory=dict)
    rss_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    """Resident memory by moment (``idle``, ``demo``) and process."""
    _since: float = field(default_factory=monotonic)

    def lap(self, name: str) -> None:
        """End a chapter."""
        now = monotonic()
        self.chapters_s[name] = now - self._since
        self._since = now

    def weigh(self, moment: str, resident_mb: Mapping[str, float]) -> None:
        """Keep what the processes hold now."""
        self.rss_mb[moment] = dict(resident_mb)

    @property
    def seconds(self) -> float:
        """All chapters together, starting and stopping among them."""
        return sum(self.chapters_s.values())

    def write(self, file: Path) -> None:
        """Write everything as one JSON object."""
        figures = {"seconds": self.seconds, "chapters_s": self.chapters_s, "rss_mb": self.rss_mb}
        file.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
