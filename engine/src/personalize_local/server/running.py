# SPDX-License-Identifier: Apache-2.0
"""An engine that answers on a port: until a signal comes, or in a thread of a program that goes on meanwhile."""

import asyncio
import socket
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import uvicorn

from personalize_local.engine import Options
from personalize_local.resources.store import Store
from personalize_local.server import origins
from personalize_local.server.app import Application
from personalize_local.wire.protocol import Wire


class Server:
    """One engine and its port. It listens from the beginning on; requests are answered once it runs.

    As a context manager it runs in a thread:

        with Server(Options()) as server:
            boto3.client("personalize", endpoint_url=server.url)
    """

    def __init__(
        self,
        options: Options,
        directory: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Iterable[str] = (),
    ) -> None:
        """Take the port and the data folder.

        Args:
            options: the engine's.
            directory: where everything is kept; None: in a temporary folder, which goes with the server.
            host: address to listen on.
            port: 0 chooses a free one.
            names: by which clients call this host, beside 127.0.0.1, localhost and `host`.

        Raises:
            OSError: the port is taken.
            DirectoryRefused: another engine has the folder, it is a newer engine's, or it cannot be written.
        """
        with ExitStack() as held:
            self._listener = held.enter_context(_listen(host, port))
            folder = directory or Path(held.enter_context(TemporaryDirectory(prefix="personalize-local-")))
            self._store = Store(folder, durable=bool(directory))
            held.callback(self._store.close)
            self._held = held.pop_all()
        is_own = origins.names_of(host, names)
        self.application = Application(options, self._store, _wire(), is_own)
        self._server = _Uvicorn(
            uvicorn.Config(
                self.application,
                loop="asyncio",
                http="httptools",
                ws="none",
                lifespan="on",  # otherwise uvicorn serves an engine that could not start
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread: threading.Thread | None = None
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._listener.getsockname()[1]}"

    @property
    def directory(self) -> Path:
        """The data folder."""
        return self._store.directory

    def run(self) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`, then free the port and the folder."""
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._server.ready.set()
            self._held.close()

    def stop(self) -> None:
        """End `run`, from another thread; what is unfinished goes on in the next engine on the folder."""
        self._server.end()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, name="personalize-local", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        if not self._server.started:
            self._thread.join()
            raise RuntimeError("The engine did not start: its log says why.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread:
            self._thread.join()


@cache
def _wire() -> Wire:
    """Return what all engines of a process share: reading the services' models takes longer than starting an engine."""
    return Wire()


class _Uvicorn(uvicorn.Server):
    """Tells when it answers, and ends as soon as it should."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.ready.set()

    def end(self) -> None:
        """End at once, from another thread."""
        self.should_exit = True
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        """Do as uvicorn's, which looks ten times a second whether it should end."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Do as uvicorn's, without its pause of a tenth of a second where no request is under way."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks or self.force_exit:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. It names its protocol, or asyncio leaves Nagle's algorithm on: 40 ms an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
