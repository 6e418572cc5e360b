"""A provider's own address on loopback: a proxy that ends TLS for it and asks a chat server."""

import asyncio
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from servers.tls import self_signed

from lm_eval_so.testing import ChatServer

_GONE = (OSError, ssl.SSLError, asyncio.IncompleteReadError)


class Provider:
    """Takes every CONNECT for one chat server, as a context manager.

    Args:
        server: Chat server that answers.
        folder: Folder for the certificate.
        hosts: Hosts that it stands for.
    """

    def __init__(self, server: ChatServer, folder: Path, *hosts: str) -> None:
        self.hosts: list[str] = []
        """Hosts that were asked for, one a connection."""
        self._to = urlsplit(server.url).port
        self._pem = self_signed(folder, *hosts)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self._pem)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port = 0

    @property
    def environ(self) -> Mapping[str, str]:
        """Variables by which a process finds it."""
        proxy = f"http://127.0.0.1:{self._port}"
        return {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(self._pem)}

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_writer = None
        with suppress(*_GONE):
            head = await reader.readuntil(b"\r\n\r\n")
            self.hosts.append(head.split()[1].decode().partition(":")[0])
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.start_tls(self._context)
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        for each in filter(None, (writer, inner_writer)):
            each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_GONE):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
