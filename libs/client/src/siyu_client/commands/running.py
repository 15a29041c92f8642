"""Where the platform that `siyu up` keeps running can be reached."""

import json
from dataclasses import dataclass
from pathlib import Path

from siyu_client.platform import Credentials, Platform, PlatformError

#: Folder of data, keys and logs unless --dir says otherwise.
DEFAULT_FOLDER = ".siyu"


@dataclass(frozen=True)
class RunningPlatform:
    """Addresses and credentials of a platform that another process keeps running."""

    targets: dict[str, str]
    credentials: Credentials


def publish(platform: Platform) -> None:
    """Write the addresses where the other commands find them."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    content = {"targets": targets, "http": platform.http_url, "streams": platform.stream_url}
    (platform.folder / "platform.json").write_text(json.dumps(content, indent=2), encoding="utf-8")


def find(folder: Path) -> RunningPlatform:
    """Read the addresses; raise PlatformError when nothing was started in the folder."""
    try:
        content = json.loads((folder / "platform.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlatformError(f"no platform in {folder}: start one with `siyu up`") from None
    return RunningPlatform(content["targets"], Credentials(folder / "keys"))
