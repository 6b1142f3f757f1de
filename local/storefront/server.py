# SPDX-License-Identifier: Apache-2.0
"""Serve ``storefront/`` on 127.0.0.1: its files, the shop's items, and the HTTP API behind a proxy that adds the key.

The key stays in this process. With ``--tokens`` there is none: pages ask the API of browsers with tokens of their own.
A page of another origin, or another name for this address, is refused: the proxy would lend the key to it.
"""

import re
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import urllib3
from personalization.core.errors import PersonalizationError

from local.cloud.client import translating
from local.cloud.environments import REPOSITORY, LocalError
from local.cloud.home import Home, State, access, require, running
from local.storefront import records
from local.storefront.catalogue import SORTS, Shop, encoded
from local.terminal.output import Terminal
from local.web import server
from local.web.server import TYPES, PageHandler, Reply, problem, static_file

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

FOLDER = REPOSITORY / "storefront"
MOST_IDS = 100
"""The most items that one request names."""
MOST_CHARACTERS = 300
"""The most characters of a search, a category or an id."""
MOST_PAGES = 100_000
"""A page's number is below this."""
REFRESH_SECONDS = 5.0
"""The seconds between two checks that the shop's items, settings and release are as they were."""
LOOK_SECONDS = 0.5
"""The seconds between two checks that the cloud is up."""
NO_HEADERS = Message()
PASSED_ON = ("User-Agent", "Sec-CH-UA-Mobile", "X-Time-Zone")
"""Headers with the user's device and hour, of which the API makes context."""
PARAMETERS = ("query", "category", "shelf", "sort", "page")
"""What ``/items`` takes beside ids."""
API_PATH = re.compile(r"/(shops/[^/].*|health|openapi\.json)")


@dataclass
class Storefront:
    """A shop to serve: the address of its API, static files, the document at ``/catalogue.json``, and ``/items``."""

    api: str
    key: str
    """Sent to the API, never to a browser; without one the browser's token is passed on, and items are in files, as on
    CloudFront."""
    shop: Shop
    folder: Path = FOLDER
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False, timeout=30.0, headers={})
    )

    def file(self, path: str) -> Reply:
        """Return the catalogue or a static file: none outside the folder, hidden, or of another kind."""
        if path == "/catalogue.json":
            return Reply(200, self.catalogue(), {"Content-Type": TYPES[".json"]})
        if not self.key and (part := re.fullmatch(rf"/{self.shop.folder}(\d{{1,6}})\.json", path)):
            files = self.shop.files
            if (number := int(part[1])) < len(files):
                return Reply(200, files[number], {"Content-Type": TYPES[".json"]})
        reply = static_file(self.folder, path)
        if reply.headers["Content-Type"] != TYPES[".html"]:
            return reply
        headers = {"Content-Security-Policy": self.shop.content_security}
        if self.shop.settings.storefront.drawings != "none":
            headers["Link"] = "<js/tiles.js>; rel=modulepreload"  # which is known only once the catalogue is there
        return replace(reply, headers={**reply.headers, **headers})

    def catalogue(self) -> bytes:
        """Return what a page has to know at first."""
        return encoded(self.shop.document() if self.key else self.shop.document_for_strangers("/api"))

    def items(self, query: str) -> Reply:
        """Answer ``/items``: a page of a search or of a category, or the items of some ids."""
        if not self.key:
            return problem(404, "Not Found", "This shop has its items in files.")
        try:
            wanted = parse_items(query)
        except ValueError as error:
            return problem(400, "Bad Request", str(error))
        answer = self.shop.named(wanted) if isinstance(wanted, list) else self.shop.page(**wanted)
        return Reply(200, encoded(answer), {"Content-Type": TYPES[".json"]})

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


def parse_items(query: str) -> dict[str, Any] | list[str]:
    """Return the arguments of `Shop.page`, or the ids that a query of ``/items`` names.

    Raises:
        ValueError: the query is not one; its text says why.
    """
    try:
        given = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=110
        )
    except ValueError:
        raise ValueError("The query cannot be read: send names and values in UTF-8, percent-encoded.") from None
    if long := next((name for name, value in given if len(value) > MOST_CHARACTERS), None):
        raise ValueError(f"{long[:30]} has at most {MOST_CHARACTERS} characters.")
    if ids := [value for name, value in given if name == "id"]:
        if len(ids) > MOST_IDS or len(ids) < len(given):
            raise ValueError(f"Name at most {MOST_IDS} ids, and nothing else beside them.")
        return ids
    values = dict(given)
    if strange := next((name for name in values if name not in PARAMETERS), None):
        raise ValueError(f"{strange[:30]} is unknown: items take {', '.join(PARAMETERS)}, or id.")
    if len(values) < len(given):
        raise ValueError("A parameter is there twice.")
    if "page" in values and not (re.fullmatch("[0-9]{1,6}", values["page"]) and int(values["page"]) < MOST_PAGES):
        raise ValueError(f"page is a number from 0 to {MOST_PAGES - 1}.")
    if values.get("sort", "best") not in SORTS:
        raise ValueError(f"sort is one of {', '.join(SORTS)}.")
    return {**values, "page": int(values.get("page", "0"))}


class Handler(PageHandler):
    NAME = "shop"
    server_version = "storefront"
    front: ClassVar[Storefront]

    def read(self) -> Reply:
        if self.path.startswith(self.DOOR):
            return self.front.forward("GET", self.path[4:], None, self.headers)
        path, _, query = self.path.partition("?")
        return self.front.items(query) if path == "/items" else self.front.file(self.route)

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
    state = require(home)
    stored = Records(state, options.shop)
    mark = stored.mark()
    front = open_shop(state, options.shop, tokens=options.tokens)
    if not front.shop.is_promoted and not front.shop.items.height:
        raise LocalError(
            f"nothing is known of the shop {options.shop}: "
            f"drop its files first, `python -m local drop {options.shop} interactions FILE --watch`"
        )
    with serving(front, options.port) as address:
        if terminal.as_json:
            terminal.json({"url": address, "shop": options.shop})
        else:
            terminal.line(f"The shop is open until Ctrl-C or `down`: {address}")
        if not front.shop.is_promoted:
            terminal.note("it recommends nothing yet, since no run has promoted a release")
        if not front.shop.items.height:
            terminal.note(f"items go by their ids: names come by `python -m local drop {options.shop} items FILE`")
        with suppress(KeyboardInterrupt):
            follow(front, stored, mark, lambda: running(home) is not None)
            terminal.note("the local cloud went down, and the shop with it")


def follow(front: Storefront, stored: "Records", mark: tuple[object, ...], is_up: Callable[[], bool]) -> None:
    """Show what the shop has dropped or promoted since `mark`, while its cloud is up."""
    looked_at = time.monotonic()
    while is_up():
        time.sleep(LOOK_SECONDS)
        if time.monotonic() < looked_at + REFRESH_SECONDS:
            continue
        looked_at = time.monotonic()
        # A cloud that is busy or going down answers at the next look, or not at all.
        with suppress(PersonalizationError):
            if (newest := stored.mark()) != mark:
                front.shop, mark = stored.read(users=bool(front.key)), newest


@dataclass(frozen=True)
class Records:
    """What the application keeps of a shop on a running cloud."""

    state: State
    shop: str

    @cached_property
    def clients(self) -> "tuple[S3Client, DynamoDBClient]":
        return translating(**access(self.state))

    def mark(self) -> tuple[object, ...]:
        """See `records.mark`."""
        bucket, table = (self.state.outputs[name] for name in ("BucketName", "ShopsTableName"))
        return records.mark(*self.clients, bucket, table, shop=self.shop)

    def read(self, *, users: bool) -> Shop:
        """See `records.read_shop`."""
        bucket, table = (self.state.outputs[name] for name in ("BucketName", "ShopsTableName"))
        return records.read_shop(*self.clients, bucket, table=table, shop=self.shop, users=users)


def open_shop(state: State, shop: str, *, tokens: bool = False) -> Storefront:
    """Return the storefront of `shop`; with `tokens` as CloudFront serves it to strangers."""
    try:
        content = Records(state, shop).read(users=not tokens)
    except PersonalizationError as error:
        raise LocalError(f"the shop {shop} cannot be shown: {error}") from None
    return Storefront(state.browser_api, "", content) if tokens else Storefront(state.api, state.key, content)
