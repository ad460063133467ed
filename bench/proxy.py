"""A wire with a latency: a TCP proxy that holds every byte back for half of a round trip, in each direction.

with delayed(hub.url, 30) as url:    # milliseconds of a round trip
    ...

It is a process of its own, so that it does not share a processor's time with what is measured. A new connection costs
a round trip, as a TCP handshake does. At most `WINDOW` bytes are on their way in one direction of a connection, which
is what the kernel's usual buffers allow.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import subprocess
import sys
from typing import Deque, Iterator, Tuple
from urllib.parse import urlsplit, urlunsplit

from bench.places import CHECKOUT

WINDOW = 4 * 1024 * 1024
_CHUNK = 256 * 1024


@contextlib.contextmanager
def delayed(url: str, milliseconds: float) -> Iterator[str]:
    """The URL of the same server behind a wire of this round trip; without latency the URL itself."""
    if not milliseconds:
        yield url
        return
    parts = urlsplit(url)
    command = [sys.executable, "-m", "bench.proxy", str(parts.hostname), str(parts.port), str(milliseconds)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


class _Direction:
    """What travels one way of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        self._reader, self._writer, self._delay = reader, writer, delay
        self._loop = asyncio.get_running_loop()
        self._under_way: Deque[Tuple[float, bytes]] = collections.deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self) -> None:
        arriving = asyncio.ensure_future(self._arrive())
        try:
            while True:
                data = await self._reader.read(_CHUNK)
                self._under_way.append((self._loop.time() + self._delay, data))
                self._bytes += len(data)
                self._changed.set()
                if not data:
                    break
                while self._bytes >= WINDOW:
                    self._room.clear()
                    await self._room.wait()
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(self) -> None:
        while True:
            while not self._under_way:
                self._changed.clear()
                await self._changed.wait()
            due, data = self._under_way[0]
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            self._under_way.popleft()
            if not data:
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                return
            self._writer.write(data)
            await self._writer.drain()
            self._bytes -= len(data)
            self._room.set()


async def _serve(host: str, port: int, seconds: float) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(seconds)
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        _at_once(writer)
        _at_once(far_writer)
        try:
            await asyncio.gather(
                _Direction(reader, far_writer, seconds / 2).run(), _Direction(far_reader, writer, seconds / 2).run()
            )
        except OSError:
            pass  # one side is gone; so is the other, then
        finally:
            writer.close()
            far_writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def _at_once(writer: asyncio.StreamWriter) -> None:
    """No byte waits for others to go with it."""
    plug = writer.get_extra_info("socket")
    if plug is not None:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
