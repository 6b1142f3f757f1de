# SPDX-License-Identifier: Apache-2.0
"""The server of the storefront: what it serves, what it adds, and what it refuses."""

import gzip
import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.cloud.environments import LocalError
from local.storefront.catalogue import Shop
from local.storefront.server import Storefront, serving
from tests.app.waiting import BOUND
from tests.storefront.conftest import Open
from tests.storefront.shop import KEY

JSON = {"Content-Type": "application/json"}
EVENTS = json.dumps({"sessionId": "s", "events": [{"eventType": "View", "itemId": "milk-1"}]})


def ask(
    shop: Open, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request: status, headers in lower case, content."""
    connection = http.client.HTTPConnection(urlsplit(shop.address).netloc, timeout=BOUND)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_page_and_its_parts_are_served_with_safe_headers(shop: Open) -> None:
    for path, kind in {"/": "text/html", "/style.css": "text/css", "/js/app.js": "text/javascript"}.items():
        status, headers, content = ask(shop, "GET", path)
        assert (status, headers["content-type"].split(";")[0]) == (200, kind)
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert content


def test_a_shop_with_drawings_names_what_draws_them_before_its_catalogue_does(shop: Open) -> None:
    assert ask(shop, "GET", "/")[1]["link"] == "<js/tiles.js>; rel=modulepreload"


def test_the_catalogue_is_small_on_the_way_and_the_same_again(shop: Open) -> None:
    _, headers, packed = ask(shop, "GET", "/catalogue.json", headers={"Accept-Encoding": "gzip"})
    content = json.loads(gzip.decompress(packed))
    assert (content["shop"], content["total"], len(content["shoppers"])) == ("green", 40, 6)
    again, _, nothing = ask(shop, "GET", "/catalogue.json", headers={"If-None-Match": headers["etag"]})
    assert (again, nothing) == (304, b"")


def test_items_come_in_pages_and_by_id(shop: Open) -> None:
    status, headers, content = ask(shop, "GET", "/items?query=milk&page=0&sort=price")
    answer = json.loads(content)
    assert (status, headers["content-type"], answer["total"]) == (200, "application/json", 8)
    assert answer["items"][0] == ["milk-0", "Milk 0 8 oz (maker 0)", 0.5, None, "Dairy", "milk"]
    assert json.loads(ask(shop, "GET", "/items?category=Dairy&shelf=milk&page=99999")[2]) == {"items": [], "total": 8}
    named = json.loads(ask(shop, "GET", "/items?id=bread-1&id=absent&id=..%2F..%2Fetc%2Fpasswd")[2])
    assert [row[0] for row in named["items"]] == ["bread-1"]
    # A category's name is a value like any other, whatever it looks like.
    for strange in ("%27%3B--", "..%2F", "%00", "*", "%F0%9F%8D%9E", "a%2Bb%26page%3D2"):
        assert json.loads(ask(shop, "GET", f"/items?category={strange}")[2]) == {"items": [], "total": 0}


@pytest.mark.parametrize(
    "query",
    [
        "page=-1", "page=100000", "page=1e3", "page=", "page=%D9%A1", "sort=worst", "query=" + "a" * 301, "query=%ff",
        "query", "nonsense=1", "page=1&page=2", "id=a&page=1", "&".join(["id=a"] * 101), "&".join(["query=a"] * 120),
        "id=" + "a" * 301,
    ],
)  # fmt: skip
def test_a_query_that_is_none_is_refused_and_says_why(query: str, shop: Open) -> None:
    status, headers, content = ask(shop, "GET", f"/items?{query}")
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert 10 < len(json.loads(content)["detail"]) < 200
    assert b"Traceback" not in content


def test_items_are_for_pages_of_this_address_and_read_alone(shop: Open) -> None:
    assert ask(shop, "GET", "/items", headers={"Origin": "https://elsewhere.example"})[0] == 403
    assert ask(shop, "GET", "/items", headers={"Host": "elsewhere.example"})[0] == 403
    assert ask(shop, "POST", "/items", "{}", JSON)[0] == 405
    assert [ask(shop, "GET", path)[0] for path in ("/items/", "/items/../items", "/Items", "/items%3Fpage=0")] == [
        404
    ] * 4


def test_strangers_have_files_of_items_and_nothing_beside_them(strangers: Open) -> None:
    folder = json.loads(ask(strangers, "GET", "/catalogue.json")[2])["files"]["folder"]
    assert len(json.loads(ask(strangers, "GET", f"/{folder}0.json")[2])) == 40
    for path in (f"/{folder}1.json", f"/{folder}-1.json", f"/{folder}../0.json", "/items/0.json", "/items?query=milk"):
        assert ask(strangers, "GET", path)[0] == 404


def test_the_api_hears_of_the_shoppers_device_and_hour_and_of_nothing_else(shop: Open) -> None:
    told = {"User-Agent": "Mozilla/5.0 (iPhone)", "X-Time-Zone": "Asia/Seoul"}
    ask(shop, "GET", "/api/shops/green/popular", headers={**told, "Authorization": "Bearer x", "X-Other": "y"})
    sent = shop.api.requests[-1][2]
    assert {name: sent.get(name.lower()) for name in told} == told
    assert not {"authorization", "x-other"} & set(sent)


def test_the_key_is_added_on_the_way_and_never_comes_back(shop: Open) -> None:
    status, headers, content = ask(shop, "GET", "/api/shops/green/popular?limit=3", headers={"Cookie": "a=b"})
    method, path, sent, _ = shop.api.requests[-1]
    assert (status, method, path, sent["x-api-key"]) == (200, "GET", "/shops/green/popular?limit=3", KEY)
    assert "cookie" not in sent
    assert "x-internal" not in headers
    assert headers["cache-control"] == "no-store"
    everything = [ask(shop, "GET", path)[2] for path in ("/", "/catalogue.json", "/js/shop.js", "/js/app.js")]
    assert not any(KEY.encode() in part for part in [content, str(headers).encode(), *everything])


def test_a_body_is_passed_on(shop: Open) -> None:
    status, _, content = ask(shop, "POST", "/api/shops/green/events", EVENTS, JSON)
    assert (status, json.loads(content)["accepted"]) == (202, 1)
    assert ask(shop, "PUT", "/api/shops/green/users/u1", '{"properties": {}}', JSON)[0] == 202


def test_a_refusal_of_the_api_stays_what_it_is(shop: Open) -> None:
    status, _, content = ask(shop, "GET", "/api/shops/absent/popular")
    assert (status, json.loads(content)["title"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/js/../../pyproject.toml",
        "/js/%2e%2e%2f%2e%2e%2fpyproject.toml", "//etc/passwd", "/..%5cpyproject.toml", "/.git/config",
        "/js/.hidden.js", "/js", "/js/app.js%00.css", "/absent.js", "/client/personalization.d.ts", "/%ff.js",
    ],
)  # fmt: skip
def test_nothing_else_is_served(path: str, shop: Open) -> None:
    status, headers, _ = ask(shop, "GET", path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")


def test_a_link_out_of_the_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "site/link.json").symlink_to(tmp_path / "secret.json")
    assert Storefront("http://127.0.0.1:9", KEY, Shop(name="green"), tmp_path / "site").file("/link.json").status == 404


@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/_aws/keys", "/api/shops/../../keys", "/api/shops/green/%2e%2e/%2e%2e/keys", "/api//shops/green",
     "/api/shops/a%2f..%2f..%2fkeys"],
)  # fmt: skip
def test_only_the_api_s_routes_are_reached(path: str, shop: Open) -> None:
    before = len(shop.api.requests)
    assert ask(shop, "GET", path)[0] == 404
    assert len(shop.api.requests) == before


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"])
def test_other_methods_are_refused(method: str, shop: Open) -> None:
    assert ask(shop, method, "/api/shops/green/popular")[0] == 405


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/", "{}", JSON, 405),
        ("/api/shops/green/events", "{}", {"Content-Type": "text/plain"}, 415),
        ("/api/shops/green/events", "", JSON | {"Content-Length": str(256 * 1024 + 1)}, 413),
        ("/api/shops/green/events", "", JSON | {"Content-Length": "-1"}, 411),
        ("/api/shops/green/events", "0\r\n\r\n", JSON | {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_that_is_none_is_refused(path: str, body: str, headers: dict[str, str], status: int, shop: Open) -> None:
    assert ask(shop, "POST", path, body or None, headers)[0] == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Host": "elsewhere.example"}]
)
def test_a_page_of_another_origin_is_refused(headers: dict[str, str], shop: Open) -> None:
    before = len(shop.api.requests)
    assert ask(shop, "POST", "/api/shops/green/events", EVENTS, JSON | headers)[0] == 403
    assert ask(shop, "GET", "/catalogue.json", headers=headers)[0] == 403
    assert len(shop.api.requests) == before


def test_its_own_page_is_not(shop: Open) -> None:
    origin = {"Origin": shop.address.rstrip("/")}
    assert ask(shop, "POST", "/api/shops/green/events", EVENTS, JSON | origin)[0] == 202


def test_an_api_that_is_gone_is_said_so() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        gone = Storefront(f"http://127.0.0.1:{unheard.getsockname()[1]}", KEY, Shop(name="green"))
        assert gone.forward("GET", "/health", None).status == 502


def test_noise_is_refused_and_the_server_stays(shop: Open) -> None:
    host, _, port = urlsplit(shop.address).netloc.partition(":")
    for noise in (b"\x16\x03\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            assert b"Traceback" not in connection.recv(4096)
    assert ask(shop, "GET", "/")[0] == 200


def test_a_taken_port_is_told(shop: Open) -> None:
    port = int(urlsplit(shop.address).port or 0)
    front = Storefront("http://127.0.0.1:9", KEY, Shop(name="green"))
    with pytest.raises(LocalError, match=f"port {port} is taken"), serving(front, port):
        pass
