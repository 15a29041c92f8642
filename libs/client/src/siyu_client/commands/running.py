"""Where the platform that `siyu up` keeps running can be reached."""

import json
from dataclasses import dataclass
from pathlib import Path

import grpc

from siyu_client.platform import Credentials, Platform, PlatformError
from siyu_client.platform.services import SERVICES
from siyu_kit.config import TlsConfig, load
from siyu_kit.rpc.tls import channel_credentials

#: Folder of data, keys and logs unless --dir says otherwise.
DEFAULT_FOLDER = ".siyu"
#: Process ids of the services, beside the addresses.
PROCESSES = "processes.json"


@dataclass(frozen=True)
class RunningPlatform:
    """Addresses and credentials of a platform that another process keeps running."""

    targets: dict[str, str]
    credentials: Credentials


def channel(target: str) -> grpc.Channel:
    """The channel to a service; with ``SIYU_TLS_*`` set, over TLS and with that certificate."""
    credentials = channel_credentials(load(TlsConfig))
    if credentials is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, credentials)


def publish(platform: Platform) -> None:
    """Write the addresses where the other commands find them."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    processes = {name: process.pid for name, process in platform.processes.items()}
    (platform.folder / PROCESSES).write_text(json.dumps(processes), encoding="utf-8")
    content = {"targets": targets, "http": platform.http_url, "streams": platform.stream_url}
    (platform.folder / "platform.json").write_text(json.dumps(content, indent=2), encoding="utf-8")


def find(folder: Path) -> RunningPlatform:
    """Read the addresses; raise PlatformError when nothing was started in the folder."""
    try:
        content = json.loads((folder / "platform.json").read_text(encoding="utf-8"))
        targets = {spec.name: str(content["targets"][spec.name]) for spec in SERVICES}
    except FileNotFoundError:
        raise PlatformError(f"no platform in {folder}: start one with `siyu up`") from None
    except (ValueError, KeyError, TypeError):
        raise PlatformError(
            f"{folder / 'platform.json'} is damaged: stop the platform and start it again"
        ) from None
    return RunningPlatform(targets, Credentials(folder / "keys"))
