# SPDX-License-Identifier: Apache-2.0
"""A shop that hashes its ids, on the local AWS with the roles of its functions: who asks, and what is left behind."""

import gzip
import os
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from local.cloud import login
from tests.app import retail
from tests.app.laptop import Laptop

SHOP = "hashing"
DOMAIN = "hashed.example"
SETTINGS = """\
hash: [email]
columns: {email: USER_ID}
recipes: [user-personalization]
gate: {enabled: false}
probe: {enabled: false}
likelihood: {enabled: false}
"""


@pytest.fixture(scope="module")
def hashing(laptop: Laptop) -> Laptop:
    rows = [f"{user}@{DOMAIN},{item},{at},Purchase" for user, item, at in retail.history()]
    bad = [f"bad{n}@{DOMAIN},{retail.ITEMS[0]},never,Purchase" for n in range(3)]
    laptop.put(f"drops/{SHOP}/settings.yaml", SETTINGS)
    content = "\n".join(["email,ITEM_ID,TIMESTAMP,EVENT_TYPE", *rows, *bad, ""])
    run = laptop.drop(SHOP, "interactions", content)
    assert run.output.get("outcome") == "promoted", run.reason or run.output
    return laptop


def test_addresses_and_hashes_are_answered_alike_and_a_page_gets_the_hash(hashing: Laptop) -> None:
    address = f"U1@{DOMAIN}"
    told = hashing.command_json("hash", SHOP, address)
    (hashed,) = [line["hash"] for line in told["hashes"]]
    path = f"/shops/{SHOP}/users/{{}}/recommendations"
    lists = [
        [item["itemId"] for item in hashing.call("GET", path.format(quote(user)), limit="10").body["items"]]
        for user in (address, address.lower(), hashed)
    ]
    assert lists[0] == lists[1] == lists[2]
    assert len(lists[0]) == 10
    event = {"eventType": "View", "itemId": retail.ITEMS[3]}
    sent = {"userId": address, "sessionId": f"at-home@{DOMAIN}", "events": [event]}
    assert hashing.call("POST", f"/shops/{SHOP}/events", sent).body["events"][0]["status"] == "delivered"
    assert hashing.call("DELETE", f"/shops/{SHOP}/users/u2@{DOMAIN}").status == 202

    token = login.user_token(hashing.home, hashing.state, address, time.time())
    url = f"{hashing.state.browser_api}/shops/{SHOP}/sessions"
    session = hashing.client.http.request("POST", url, json={"userToken": token}).json()
    assert session["userId"] == hashed

    watched(hashing, address, hashed)
    for line in (("recommend", SHOP, address), ("runs", SHOP)):
        hashing.command_json(*line)

    assert left_behind(hashing.home.run) == set()


def watched(hashing: Laptop, address: str, hashed: str) -> None:
    """See what the watch page shows, which asks the shop's backend what it knows."""
    assert page(hashing, f"users/{address}")["user"] == hashed
    users = page(hashing, f"find/{address}")["users"]
    assert [entry["user"] for entry in users] == [hashed]
    item = page(hashing, f"items/{retail.ITEMS[0]}")
    # The shop has no similar items.
    assert (item["similar"], bool(item["latest"])) == ([], True)
    assert all(entry["user"].startswith("h-") for entry in item["latest"])


def page(laptop: Laptop, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON behind a page of the shop on the watch page."""
    watch = laptop.command_json("open")["url"]
    address, _, key = watch.partition("#key=")
    url = f"{address}api/shops/{SHOP}/{quote(path)}"
    return laptop.client.http.request("GET", url, headers={"Authorization": f"Bearer {key}"}).json()


def left_behind(folder: Path) -> set[str]:
    """The files of the cloud that have an address, apart from what the shop dropped."""
    holders = set()
    # Unlike `rglob`, it goes on where a function takes its files away meanwhile.
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_file() or f"/drops/{SHOP}/" in str(path):
                continue
            if DOMAIN.encode() in unpacked(path):
                holders.add(str(path.relative_to(folder)))
    return holders


def unpacked(path: Path) -> bytes:
    """What a file says; as it is where it cannot be unpacked, since other shops drop broken archives.

    Nothing where it has just gone.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    with suppress(EOFError, gzip.BadGzipFile, zlib.error):
        return gzip.decompress(content) if path.suffix == ".gz" else content
    return content
