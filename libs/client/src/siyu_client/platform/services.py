"""The services of the embedded platform and what each is told through its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siyu_kit.auth.keys import PUBLIC_KEY_FILE, SIGNING_KEY_FILE

#: Few partitions make large batches, and each batch has fixed costs in the sink: at 2 000 events/s
#: on two cores the 95th percentile of visibility was 0.8 s with two and 2.2 s with four.
PARTITIONS: Final = 2


@dataclass(frozen=True)
class ServiceSpec:
    """One service: its name, the peers it calls, and whether it opens an HTTP port too."""

    name: str
    peers: tuple[str, ...] = ()
    http: bool = False


#: In the order they are started; they are stopped in the opposite order.
SERVICES: Final[tuple[ServiceSpec, ...]] = (
    ServiceSpec("identity"),
    ServiceSpec("collect", http=True),
    ServiceSpec("analytics", peers=("identity", "profile")),
    ServiceSpec("profile", peers=("identity",)),
    ServiceSpec("segment", peers=("analytics",)),
    ServiceSpec("touch", peers=("segment", "profile", "analytics", "identity", "collect")),
)


@dataclass(frozen=True)
class Address:
    """Loopback ports of one service; ``http`` is 0 where it has none."""

    grpc: int
    http: int = 0

    @property
    def target(self) -> str:
        """The gRPC target, host and port."""
        return f"127.0.0.1:{self.grpc}"


def environment(
    spec: ServiceSpec,
    data: Path,
    stream_url: str,
    addresses: Mapping[str, Address],
    credentials: Path,
) -> dict[str, str]:
    """Variables of one service on the embedded stores."""
    own = addresses[spec.name]
    upper = spec.name.upper()
    variables = {
        "SIYU_LISTEN": own.target,
        "SIYU_PORT_FILE": str(data / "ports.json"),
        "SIYU_DATA_DIR": str(data),
        "SIYU_DATABASE_URL": f"sqlite+aiosqlite:///{data / 'state.db'}",
        "SIYU_STREAM_URL": stream_url,
        "SIYU_PARTITIONS": str(PARTITIONS),
        "SIYU_AUTH_PUBLIC_KEY_FILE": str(credentials / PUBLIC_KEY_FILE),
        "SIYU_AUTH_SIGNING_KEY_FILE": str(credentials / SIGNING_KEY_FILE),
        f"SIYU_{upper}_KEY_FILE": str(credentials / f"{spec.name}.key"),
        "SIYU_REFLECTION": "1",
        "SIYU_LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
    }
    for peer in spec.peers:
        variables[f"SIYU_{peer.upper()}_TARGET"] = addresses[peer].target
    if spec.name == "collect":
        variables["SIYU_COLLECT_WRITE_KEYS_FILE"] = str(credentials / "write_keys.json")
        variables["SIYU_COLLECT_HTTP_LISTEN"] = f"127.0.0.1:{own.http}"
    return variables
