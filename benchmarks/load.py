# SPDX-License-Identifier: Apache-2.0
"""A load generator: some keep-alive connections, each of which asks again as soon as it is answered.

`python -m benchmarks.load PORT` serves the floor: an application that answers a constant, over the engine's server.
"""

import asyncio
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from benchmarks.harness import percentile

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_SCOPE = "Credential=bench/20260101/us-east-1/personalize/aws4_request, SignedHeaders=host, Signature=0"
_CONSTANT = b"x" * 1_900
"""As long as the answer with 25 items."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load."""

    seconds: float
    milliseconds: list[float]
    """Of each request."""

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    def shown(self) -> str:
        p50, p99 = (percentile(self.milliseconds, share) for share in (50, 99))
        return f"{self.rate:8.0f} /s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms"


def request(path: str, body: bytes, target: str = "") -> bytes:
    """Return the bytes of a request; `target` names an operation of the control plane."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: AWS4-HMAC-SHA256 {_SCOPE}"]
    lines += [f"X-Amz-Target: AmazonPersonalize.{target}"] if target else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def load(port: int, requests: Iterable[bytes], connections: int) -> Outcome:
    """Send requests over some connections, and wait for all answers. Raises RuntimeError for any answer but 200."""
    return asyncio.run(_load(port, deque(requests), connections))


async def _load(port: int, requests: deque[bytes], connections: int) -> Outcome:
    loop, took = asyncio.get_running_loop(), list[float]()
    began = time.perf_counter()
    asking = [
        (await loop.create_connection(lambda: _Connection(requests, took), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(request.done for request in asking))
    return Outcome(time.perf_counter() - began, took)


class _Connection(asyncio.Protocol):
    def __init__(self, requests: deque[bytes], took: list[float]) -> None:
        self._requests, self._took = requests, took
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, _, body = self._held.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._took.append((time.perf_counter() - self._sent_at) * 1e3)
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._held.decode()))
            return
        self._ask()

    def _ask(self) -> None:
        if not self._requests:
            self._transport.close()
            self.done.set_result(None)
            return
        self._held, self._sent_at = b"", time.perf_counter()
        self._transport.write(self._requests.popleft())


async def _floor(scope: Mapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    if scope["type"] != "http":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_CONSTANT)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _CONSTANT})


if __name__ == "__main__":
    # A socket that names its protocol, or asyncio leaves Nagle's algorithm on.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    listener.listen(128)
    config = uvicorn.Config(_floor, loop="asyncio", http="httptools", ws="none", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])
