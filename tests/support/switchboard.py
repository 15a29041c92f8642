"""One address for whichever server is the primary now."""

import asyncio
import threading


class Switchboard:
    """A TCP forwarder in a thread of its own; ``connect_to`` cuts everybody and leads elsewhere."""

    def __init__(self, port: int) -> None:
        self._backend = port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = 0
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        """URL of the stream server behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def connect_to(self, port: int) -> None:
        """Lead new connections there; port 0: nowhere."""
        self._loop.call_soon_threadsafe(self._switch, port)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._switch(0)
        self._loop.run_until_complete(asyncio.sleep(0.1))
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    def _switch(self, port: int) -> None:
        self._backend = port
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._backend)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, back}
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer), return_exceptions=True)
        self._writers -= {writer, back}


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
