# SPDX-License-Identifier: Apache-2.0
"""What servers of pages on 127.0.0.1 share: safe headers, static files, and the refusal of other sites' pages.

A page of another origin, or another name for this address, is refused: it would act with the rights of this server.
"""

import gzip
import hashlib
import json
import re
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from personalize_local.server import origins

from local.cloud.environments import LocalError

BODY_LIMIT = 256 * 1024
"""The most bytes of a request's body."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
"""The kinds of files to serve."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(document: object, status: int = 200) -> Reply:
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    return Reply(status, content, {"Content-Type": TYPES[".json"]})


def problem(status: int, title: str, detail: str, **more: object) -> Reply:
    """Return an error in the form of the API's own (RFC 9457)."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/problem+json"})


def static_file(folder: Path, path: str) -> Reply:
    """Return a file of a folder: none outside it, hidden, or of another kind."""
    wanted = unquote(path).lstrip("/") or "index.html"
    hidden = any(part.startswith(".") for part in wanted.split("/"))
    kind = TYPES.get(Path(wanted).suffix)
    if hidden or kind is None or not re.fullmatch(r"[\w./-]+", wanted):
        return problem(404, "Not Found", "There is no such page.")
    target = (folder / wanted).resolve()
    if not target.is_relative_to(folder.resolve()) or not target.is_file():
        return problem(404, "Not Found", "There is no such page.")
    return Reply(200, target.read_bytes(), {"Content-Type": kind})


class PageHandler(ABC, BaseHTTPRequestHandler):
    """Answers GET, and JSON sent to paths of `DOOR`, for pages of its own origin."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    sys_version = ""
    timeout = 60
    NAME: ClassVar[str]
    """What the server is, as in `This shop takes GET`."""
    AFTER_A_FAILURE: ClassVar[str] = "Where it did is printed by its server. Try again, or start it anew."
    """What a reader does when the server has failed."""
    DOOR: ClassVar[str] = "/api/"
    """The prefix of paths that take bodies; links of other pages open none of them."""

    @abstractmethod
    def read(self) -> Reply:
        """Answer a GET."""

    @abstractmethod
    def written(self, body: bytes) -> Reply:
        """Answer a POST or PUT below `DOOR`, with a body of JSON."""

    def do_GET(self) -> None:
        self.reply(self.stranger() or self._answered_by(self.read))

    def do_POST(self) -> None:
        self.reply(self.stranger() or self._with_body())

    do_PUT = do_POST  # noqa: N815 - the parent's name

    def _with_body(self) -> Reply:
        if not self.path.startswith(self.DOOR):
            return problem(405, "Method Not Allowed", "Only the API takes this method.")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            return problem(411, "Length Required", "Say the length of the body.")
        if int(length) > BODY_LIMIT:
            return problem(413, "Content Too Large", f"A body has at most {BODY_LIMIT} bytes.")
        if self.headers.get_content_type() != "application/json":
            return problem(415, "Unsupported Media Type", "Send application/json.")
        body = self.rfile.read(int(length))
        return self._answered_by(lambda: self.written(body))

    def _answered_by(self, answer: Callable[[], Reply]) -> Reply:
        """Return an answer; what nobody foresaw is a problem with a way out, and its place is in the log."""
        try:
            return answer()
        except Exception as error:  # noqa: BLE001 - whatever it is, the page must not wait for an answer
            # The message may name a user.
            sys.stderr.write(f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}")
            return problem(500, "Internal Server Error", f"This {self.NAME} failed. {self.AFTER_A_FAILURE}")

    def stranger(self) -> Reply | None:
        """Refuse a request that another site's page may have caused."""
        host, origin, site = (self.headers.get(name) for name in ("Host", "Origin", "Sec-Fetch-Site"))
        opened = {name: self.headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest")}
        if self.command == "GET" and opened == {"Mode": "navigate", "Dest": "document"} and self.may_be_linked():
            site = None  # a link of another page may open this one; that page sees nothing of it
        if not origins.refusal(host, origin, site):
            return None
        return problem(403, "Forbidden", f"This {self.NAME} is for pages of its own address.")

    def may_be_linked(self) -> bool:
        """Return whether a link of another site's page may lead here."""
        return not self.path.startswith(self.DOOR)

    def reply(self, reply: Reply) -> None:
        """Send a reply in one piece, or 304 to a page that has it already."""
        content, headers = reply.content, {**HEADERS, **reply.headers}
        if "Cache-Control" not in headers:
            headers |= {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(content).hexdigest()[:20]}"'}
        status = reply.status
        if status == 200 and self.headers.get("If-None-Match") == headers.get("ETag", ""):
            status, content = 304, b""
        elif len(content) > 1024 and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 5, mtime=0)
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        if status >= 400 and self.command != "GET":
            self.close_connection = True  # its body may not have been read
            headers["Connection"] = "close"
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        # The end of the headers and the body, in the same packet.
        self._headers_buffer.append(b"\r\n" + content)  # type: ignore[attr-defined]
        self.flush_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request to this server, with the same safe headers."""
        self.close_connection = True
        title = message or "Error"
        if code == 501:
            code, title = 405, "Method Not Allowed"
        self.command = self.command or "GET"
        if not hasattr(self, "headers"):
            self.headers = self.MessageClass()
        if not hasattr(self, "request_version") or self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
        self.reply(problem(code, title, explain or f"This {self.NAME} takes GET, and POST and PUT for its API."))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing: requests name users."""

    @property
    def route(self) -> str:
        """The path of the request, without its query."""
        return urlsplit(self.path).path


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that hang up."""


@contextmanager
def serving(handler: type[PageHandler], port: int = 0, **members: Any) -> Iterator[str]:  # noqa: ANN401 - any member
    """Serve on 127.0.0.1 while the block runs; yield the address. `members` become the handler's."""
    made = type(handler.__name__, (handler,), members)
    try:
        server = Server(("127.0.0.1", port), made)
    except OSError:
        raise LocalError(f"port {port} is taken: choose another, or leave the option out to get a free one") from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
