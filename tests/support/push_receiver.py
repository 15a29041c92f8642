"""A push provider on loopback that misbehaves as its script says."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

OK = "200"
FAULTS = ("500", "429", "400", "503", "hang", "drop")
"""What a script may answer beside OK: a status, no answer at all, or a cut after the body."""


def always_ok(_key: str, _number: int) -> str:
    """The script of a provider without faults."""
    return OK


class PushReceiver:
    """Counts the messages it took, by send key, before it answers."""

    def __init__(self, script: Callable[[str, int], str] = always_ok) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._calls: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.mismatched = 0
        self.hang_s = 2.0

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/push"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Close."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        key = body["send_key"]
        self.mismatched += fields["idempotency-key"] != key
        self._calls[key] += 1
        answer = self._script(key, self._calls[key])
        # What puts off or refuses surely took nothing; the rest may have.
        if answer not in {"429", "400", "503"}:
            self.taken[key] += 1
        if answer == "drop":
            return False
        if answer == "hang":
            await asyncio.sleep(self.hang_s)
            return False
        content = json.dumps({"message_id": f"m-{key[:8]}"}).encode()
        extra = "Retry-After: 0\r\n" if answer == "429" else ""
        lines = f"HTTP/1.1 {answer} X\r\n{extra}Content-Length: {len(content)}\r\n\r\n"
        writer.write(lines.encode() + content)
        await writer.drain()
        return True
