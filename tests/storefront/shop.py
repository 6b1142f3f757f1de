# SPDX-License-Identifier: Apache-2.0
"""A small shop behind an API that answers as docs/api.md says, and a server of its storefront."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from personalization.shop.settings.settings import parse

from local.storefront.catalogue import Shop, shown_columns
from local.storefront.server import Storefront

KEY = "the-key-that-no-browser-may-see"
ITEMS = [("bread", "Bakery"), ("milk", "Dairy"), ("apple", "Produce"), ("soup", "Grocery"), ("roses", "Floral")]
ROWS = [
    f"{kind}-{number},{kind.title()} {number} 8 oz (maker {number}),{number + 0.5},{shelf},{kind}"
    for number in range(8)
    for kind, shelf in ITEMS
]


@dataclass
class Api:
    """An API whose lists begin with what the visitor had to do with last; it keeps what it was asked."""

    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    """Requests that tell what was on screen."""
    address: str = ""
    minutes: float = 60
    """How long a session's token is good."""
    placed: bool = True
    """Whether the release that serves has placements."""

    def session(self, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        """The session at hand goes on, or another begins: its token is its id."""
        session = body.get("sessionToken") or f"s-{len(self.requests)}"
        end = datetime.now(UTC) + timedelta(minutes=self.minutes)
        return 201, {"token": session, "sessionId": session, "userId": session, "expiresAt": end.isoformat()}

    def respond(self, method: str, address: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        """Answer a request; its address has a query."""
        return self.answer(method, urlsplit(address).path, body)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, object]:  # noqa: ANN401 - any document
        if path.endswith("/sessions"):
            return self.session(body)
        if path.endswith(("/events", "/impressions")):
            return 202, self.take(body)
        if method == "PUT":
            return 202, {"status": "delivered"}
        if path.startswith("/shops/absent/"):
            return 404, {"title": "Not Found", "status": 404}
        seen = [event["itemId"] for event in reversed(self.events)]
        ids = list(dict.fromkeys(seen + [row.split(",")[0] for row in ROWS]))
        if path.endswith("/placements"):
            return self.page(body, ids)
        ids_answered = body["itemIds"] if body else ids[:12]
        source = "popular" if path.endswith("/popular") else "campaign"
        items = [{"itemId": item, "score": 0.1, "source": source} for item in ids_answered]
        number = len(self.requests)
        return 200, {"recommendationId": f"RID-{number}", "listId": f"L-{number}", "items": items}

    def take(self, body: Any) -> object:  # noqa: ANN401 - any document
        """Events, or what was on screen."""
        if "lists" in body:
            self.seen.append(body)
            return {"accepted": len(body["lists"]), "refused": []}
        self.events += [event | {"userId": body.get("userId")} for event in body["events"]]
        return {"accepted": len(body["events"]), "events": []}

    def page(self, body: Any, ids: list[str]) -> tuple[int, object]:  # noqa: ANN401 - any document
        """Eight items for each placement, none twice; they go with the item of the page."""
        if not self.placed:
            return 404, {"title": "Not Found", "status": 404}
        item = body.get("itemId")
        left = iter([id_ for id_ in ids if id_ not in {item, *body.get("excludeItemIds", ())}])
        because = {"code": "goesWithBasket", "itemId": item}
        told = [
            {
                "placement": name,
                "recommendationId": f"RID-{name}",
                "listId": f"L-{name}-{len(self.requests)}",
                "items": [{"itemId": next(left), "source": "campaign", "because": because} for _ in range(8)],
            }
            for name in body["placements"]
        ]
        return 200, {"placements": told}


@contextmanager
def listening(api: Api) -> Iterator[Api]:
    """Serve `api` on 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.requests.append((self.command, self.path, headers, body))
            status, content = api.respond(self.command, self.path, body)
            raw = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("X-Internal", "not for browsers")
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    api.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


USERS = [f"u{number},{['18-24', '65+'][number % 2]},{number % 3}" for number in range(30)]
HISTORY = [
    f"u{number},{ROWS[(number * 7 + step) % len(ROWS)].split(',')[0]},{1000 + step}"
    for number in range(30)
    for step in range(10)
]
SETTINGS = "storefront: {currency: USD, drawings: groceries}"


def table(header: str, *lines: str) -> pl.DataFrame:
    """A table as the application keeps it: all text."""
    return pl.DataFrame(
        [line.split(",") for line in lines], schema=dict.fromkeys(header.split(","), pl.String), orient="row"
    )


def shop_of(
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    interactions: pl.DataFrame | None = None,
    *,
    settings: str = SETTINGS,
    placements: Sequence[str] = (),
    best: Sequence[str] = (),
) -> Shop:
    """A shop with these tables, whose columns have Personalize's names."""
    chosen = parse("settings.yaml", settings)
    listed = pl.DataFrame({"ITEM_ID": []}, schema={"ITEM_ID": pl.String}) if items is None else items
    columns = shown_columns([column for column in listed.columns if column != "ITEM_ID"], chosen)
    cells = {field: pl.lit(None, pl.String) if column is None else pl.col(column) for field, column in columns.items()}
    shop = Shop(
        name="green",
        settings=chosen,
        columns=columns,
        placements=tuple(placements),
        users=users,
        interactions=interactions,
    )
    return shop.with_items(listed.select(pl.col("ITEM_ID").alias("id"), **cells), best)


def green(placements: Sequence[str] = ()) -> Shop:
    """The shop of this module."""
    return shop_of(
        table("ITEM_ID,NAME,PRICE,CATEGORY_L1,CATEGORY_L2", *ROWS),
        table("USER_ID,AGE,KIDS", *USERS),
        table("USER_ID,ITEM_ID,TIMESTAMP", *HISTORY),
        placements=placements,
    )


def front_for_strangers(api: Api) -> Storefront:
    """The same as CloudFront shows it: no key, and tokens of sessions."""
    return Storefront(api.address, "", green())


def front(api: Api, placements: Sequence[str] = ()) -> Storefront:
    """The storefront of this shop, in front of `api`."""
    return Storefront(api.address, KEY, green(placements))
