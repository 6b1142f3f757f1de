# SPDX-License-Identifier: Apache-2.0
"""Serve ``storefront/`` on 127.0.0.1: its files, the catalogue, and the HTTP API behind a proxy that adds the key.

The key stays in this process. With ``--tokens`` there is none: pages ask the API of browsers with tokens of their own.
A page of another origin, or another name for this address, is refused: the proxy would lend the key to it.
"""

import gzip
import hashlib
import json
import re
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import urllib3
from personalize_local.server import origins

from local.cloud.client import Client, placements
from local.cloud.environments import LOCAL, REPOSITORY, LocalError
from local.cloud.home import Home, State, require, running
from local.storefront import catalogue
from local.terminal.output import Terminal

FOLDER = REPOSITORY / "storefront"
BODY_LIMIT = 256 * 1024
"""The most bytes of a request to the API."""
TITLES = {"demo": "Fennel"}
"""Titles of shops on pages; others go by their names."""
LOOK_SECONDS = 0.5
"""The seconds between two checks that the cloud is up."""
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
NO_HEADERS = Message()
PASSED_ON = ("User-Agent", "Sec-CH-UA-Mobile", "X-Time-Zone")
"""Headers with the user's device and hour, of which the API makes context."""
API_PATH = re.compile(r"/(shops/[^/].*|health|openapi\.json)")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, title: str, detail: str) -> Reply:
    """Return an error in the form of the API's own (RFC 9457)."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/problem+json"})


@dataclass(frozen=True)
class Storefront:
    """A shop to serve: the address of its API, static files, and the document at ``/catalogue.json``."""

    api: str
    key: str
    """Sent to the API, never to a browser; without one the browser's token is passed on."""
    catalogue: bytes
    folder: Path = FOLDER
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False, timeout=30.0, headers={})
    )

    def file(self, path: str) -> Reply:
        """Return the catalogue or a static file: none outside the folder, hidden, or of another kind."""
        if path == "/catalogue.json":
            return Reply(200, self.catalogue, {"Content-Type": TYPES[".json"]})
        wanted = unquote(path).lstrip("/") or "index.html"
        hidden = any(part.startswith(".") for part in wanted.split("/"))
        kind = TYPES.get(Path(wanted).suffix)
        if hidden or kind is None or not re.fullmatch(r"[\w./-]+", wanted):
            return problem(404, "Not Found", "There is no such page.")
        target = (self.folder / wanted).resolve()
        if not target.is_relative_to(self.folder.resolve()) or not target.is_file():
            return problem(404, "Not Found", "There is no such page.")
        return Reply(200, target.read_bytes(), {"Content-Type": kind})

    def forward(self, method: str, target: str, body: bytes | None, sent: Message = NO_HEADERS) -> Reply:
        """Ask the API at `target` (path and query, below ``/api``), with the key or the browser's token."""
        path = urlsplit(target).path
        if not API_PATH.fullmatch(path) or {".", ".."} & set(re.split(r"[/\\]", unquote(path))):
            return problem(404, "Not Found", "The API has no such route.")
        passed = PASSED_ON if self.key else (*PASSED_ON, "Authorization")
        headers = {name: str(sent[name]) for name in passed if name in sent} | {"accept": "application/json"}
        headers |= {"x-api-key": self.key} if self.key else {}
        headers |= {} if body is None else {"content-type": "application/json"}
        try:
            answer = self.http.request(method, self.api + target, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError:
            return problem(502, "Bad Gateway", "The local cloud does not answer: is it still up?")
        passed_back = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
        return Reply(answer.status, answer.data, passed_back | {"Cache-Control": "no-store"})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "storefront"
    sys_version = ""
    timeout = 60
    front: ClassVar[Storefront]

    def do_GET(self) -> None:
        self.reply(self.stranger() or self.read())

    def read(self) -> Reply:
        if self.of_api():
            return self.front.forward("GET", self.path[4:], None, self.headers)
        return self.front.file(urlsplit(self.path).path)

    def do_POST(self) -> None:
        self.reply(self.stranger() or self.written())

    do_PUT = do_POST  # noqa: N815 - the parent's name

    def written(self) -> Reply:
        """Return the API's answer to a request with a body."""
        if not self.of_api():
            return problem(405, "Method Not Allowed", "Only the API takes this method.")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            return problem(411, "Length Required", "Say the length of the body.")
        if int(length) > BODY_LIMIT:
            return problem(413, "Content Too Large", f"A body has at most {BODY_LIMIT} bytes.")
        if self.headers.get_content_type() != "application/json":
            return problem(415, "Unsupported Media Type", "Send application/json.")
        body = self.rfile.read(int(length))
        return self.front.forward(self.command, self.path[4:], body, self.headers)

    def stranger(self) -> Reply | None:
        """Refuse a request that another site's page may have caused."""
        host, origin, site = (self.headers.get(name) for name in ("Host", "Origin", "Sec-Fetch-Site"))
        opened = {name: self.headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest")}
        if self.command == "GET" and opened == {"Mode": "navigate", "Dest": "document"} and not self.of_api():
            site = None  # a link of another page may open the shop; that page sees nothing of it
        if not origins.refusal(host, origin, site):
            return None
        return problem(403, "Forbidden", "This shop is for pages of its own address.")

    def of_api(self) -> bool:
        return self.path.startswith("/api/")

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
        """Refuse what is no request to this shop, with the same safe headers."""
        self.close_connection = True
        title = message or "Error"
        if code == 501:
            code, title = 405, "Method Not Allowed"
        self.command = self.command or "GET"
        if not hasattr(self, "headers"):
            self.headers = self.MessageClass()
        if not hasattr(self, "request_version") or self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
        self.reply(problem(code, title, explain or "This shop takes GET, and POST and PUT for its API."))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing: requests name users."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that hang up."""


@contextmanager
def serving(front: Storefront, port: int = 0) -> Iterator[str]:
    """Serve `front` on 127.0.0.1 while the block runs; yield its address."""
    handler = type("StorefrontHandler", (Handler,), {"front": front})
    try:
        server = Server(("127.0.0.1", port), handler)
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


def main(options: Namespace, terminal: Terminal) -> None:
    """Serve a shop until Ctrl-C, or until its cloud goes down."""
    home = Home(options.run_dir)
    files = {kind: getattr(options, kind) for kind in ("items", "users", "interactions")}
    if options.shop == "demo" and not any(files.values()):
        files = demo_files()
    front = open_shop(require(home), options.shop, files, tokens=options.tokens)
    with serving(front, options.port) as address:
        if terminal.as_json:
            terminal.json({"url": address, "shop": options.shop})
        else:
            terminal.line(f"The shop is open until Ctrl-C or `down`: {address}")
        while running(home) is not None:
            time.sleep(LOOK_SECONDS)
    terminal.note("the local cloud went down, and the shop with it")


def open_shop(state: State, shop: str, files: Mapping[str, Path | None], *, tokens: bool = False) -> Storefront:
    """Return the storefront of `shop`, with `files` by kind; with `tokens` as CloudFront serves it to strangers."""
    slots = {"placements": placements(Client(state).table, shop), "title": TITLES.get(shop, shop)}
    if tokens:
        content = catalogue.for_strangers(shop, files.get("items"), "/api")
        return Storefront(state.browser_api, "", catalogue.document(content | slots))
    return Storefront(state.api, state.key, catalogue.document(catalogue.catalogue(shop, **files) | slots))


def demo_files() -> dict[str, Path | None]:
    """Return the demo's CSVs, those that exist."""
    paths = {kind: LOCAL / "demo" / f"{kind}.csv" for kind in ("items", "users", "interactions")}
    return {kind: path if path.exists() else None for kind, path in paths.items()}
