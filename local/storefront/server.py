# SPDX-License-Identifier: Apache-2.0
"""Serve ``storefront/`` on 127.0.0.1: its files, the catalogue, and the HTTP API behind a proxy that adds the key.

The key stays in this process. With ``--tokens`` there is none: pages ask the API of browsers with tokens of their own.
A page of another origin, or another name for this address, is refused: the proxy would lend the key to it.
"""

import re
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import urllib3

from local.cloud.client import Client, placements
from local.cloud.environments import LOCAL, REPOSITORY
from local.cloud.home import Home, State, require, running
from local.storefront import catalogue
from local.terminal.output import Terminal
from local.web import server
from local.web.server import TYPES, PageHandler, Reply, problem, static_file

FOLDER = REPOSITORY / "storefront"
TITLES = {"demo": "Fennel"}
"""Titles of shops on pages; others go by their names."""
LOOK_SECONDS = 0.5
"""The seconds between two checks that the cloud is up."""
NO_HEADERS = Message()
PASSED_ON = ("User-Agent", "Sec-CH-UA-Mobile", "X-Time-Zone")
"""Headers with the user's device and hour, of which the API makes context."""
API_PATH = re.compile(r"/(shops/[^/].*|health|openapi\.json)")


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
        """Return the catalogue or a static file."""
        if path == "/catalogue.json":
            return Reply(200, self.catalogue, {"Content-Type": TYPES[".json"]})
        return static_file(self.folder, path)

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


class Handler(PageHandler):
    NAME = "shop"
    server_version = "storefront"
    front: ClassVar[Storefront]

    def read(self) -> Reply:
        if self.path.startswith(self.DOOR):
            return self.front.forward("GET", self.path[4:], None, self.headers)
        return self.front.file(self.route)

    def written(self, body: bytes) -> Reply:
        return self.front.forward(self.command, self.path[4:], body, self.headers)


@contextmanager
def serving(front: Storefront, port: int = 0) -> Iterator[str]:
    """Serve `front` on 127.0.0.1 while the block runs; yield its address."""
    with server.serving(Handler, port, front=front) as address:
        yield address


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
