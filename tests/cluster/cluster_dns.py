"""The cluster's names: addresses of Services, read from the API a few times a second.

Run as a program: ``python cluster_dns.py <api> <token> <listen>``. It stands in for CoreDNS, which
Debian has not: A records of ``<service>.<namespace>.svc.cluster.local``, of a headless one those of
its ready pods.
"""

import asyncio
import json
import ssl
import struct
import sys
import urllib.request
from typing import Any, Final

SUFFIX: Final = ".svc.cluster.local"
TTL_S: Final = 1
LOOK_S: Final = 0.5


class Names:
    """What every name means now."""

    def __init__(self, api: str, token: str) -> None:
        self._api, self._token = api, token
        self._trust = ssl.create_default_context()
        # The laboratory's API shows a certificate that it made for itself.
        self._trust.check_hostname = False
        self._trust.verify_mode = ssl.CERT_NONE
        self.known: dict[str, list[str]] = {}

    def look(self) -> None:
        """Read the Services and Endpoints."""
        ready = {
            _key(item): [
                address["ip"]
                for subset in item.get("subsets") or []
                for address in subset.get("addresses") or []
            ]
            for item in self._list("endpoints")
        }
        self.known = {
            f"{name}.{namespace}{SUFFIX}": (
                ready.get((namespace, name), [])
                if item["spec"].get("clusterIP") == "None"
                else [item["spec"]["clusterIP"]]
            )
            for item in self._list("services")
            for namespace, name in [_key(item)]
        }

    def _list(self, kind: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 - the laboratory's API
            f"{self._api}/api/v1/{kind}", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=3, context=self._trust) as answer:  # noqa: S310
            items: list[dict[str, Any]] = json.load(answer)["items"]
            return items


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


class Server(asyncio.DatagramProtocol):
    """Answers questions by UDP."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(answer(data, self._names.known), addr)


def answer(question: bytes, known: dict[str, list[str]]) -> bytes:
    """The response to one question."""
    labels, place = [], 12
    while question[place]:
        size = question[place]
        labels.append(question[place + 1 : place + 1 + size].decode("ascii", "replace"))
        place += size + 1
    (kind,) = struct.unpack(">H", question[place + 1 : place + 3])
    asked = question[12 : place + 5]
    name = ".".join(labels).lower()
    addresses = known.get(name, []) if kind == 1 else []
    code = 0 if name in known else 3
    header = question[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(addresses), 0, 0)
    records = [
        b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, TTL_S, 4) + bytes(map(int, address.split(".")))
        for address in addresses
    ]
    return header + asked + b"".join(records)


async def main(api: str, token: str, listen: str) -> None:
    """Serve until the process is ended."""
    names = Names(api, token)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Server(names), local_addr=(listen, 53))
    while True:
        try:
            await asyncio.to_thread(names.look)
        except OSError as error:
            print(error, flush=True)
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
