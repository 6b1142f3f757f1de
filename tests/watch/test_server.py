# SPDX-License-Identifier: Apache-2.0
"""The server of the watch page: who is shown what, and what it refuses."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from local.watch.server import signature
from tests.app.waiting import BOUND
from tests.watch.conftest import Watch
from tests.watch.sample import KEY, ODD, PAGE, REJECTS, REPORT

SHOWN = {"Authorization": f"Bearer {KEY}"}


def ask(
    watch: Watch, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: str | None = None
) -> tuple[int, dict[str, str], Any]:
    """One request: status, headers in lower case, and the JSON or the bytes of the content."""
    connection = http.client.HTTPConnection(urlsplit(watch.address).netloc, timeout=BOUND)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        read = json.loads(content) if "json" in answer.headers["Content-Type"] else content
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read
    finally:
        connection.close()


def test_the_page_needs_no_key_and_holds_none(watch: Watch) -> None:
    for path, kind in {"/": "text/html", "/style.css": "text/css", "/js/app.js": "text/javascript"}.items():
        status, headers, content = ask(watch, path)
        assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
        assert "unsafe" not in headers["content-security-policy"]
        assert KEY.encode() not in content


PEOPLE = ["shops/green/users/u1", "shops/green/items/i7", "shops/green/find/lamp"]


@pytest.mark.parametrize("path", ["overview", "shops/green", "runs/promoted-run", *PEOPLE])
def test_facts_are_for_who_shows_the_key(path: str, watch: Watch) -> None:
    assert ask(watch, f"/api/{path}", SHOWN)[0] == 200
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {KEY[:-1]}0"}, {"Cookie": KEY}):
        status, _, refusal = ask(watch, f"/api/{path}", headers)
        assert (status, refusal["code"]) == (401, "key")
        assert "python -m local open" in refusal["detail"]
        assert KEY not in json.dumps(refusal)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "elsewhere.example"},
        {"Host": "127.0.0.1.elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/api/overview", "/js/app.js", f"/papers/{REPORT}"])
def test_other_sites_get_nothing_even_with_the_key(path: str, headers: dict[str, str], watch: Watch) -> None:
    signed = f"{path}?signature={signature(KEY, path)}"
    assert ask(watch, signed, SHOWN | headers)[0] == 403


def test_a_link_of_another_site_opens_the_page_and_no_report(watch: Watch) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(watch, "/", followed)[0] == 200
    path = f"/papers/{REPORT}"
    assert ask(watch, f"{path}?signature={signature(KEY, path)}", followed)[0] == 403


def test_a_report_is_opened_by_its_link_alone_and_runs_nothing(watch: Watch) -> None:
    papers = ask(watch, "/api/shops/green", SHOWN)[2]["papers"]
    links = {paper["kind"]: paper["href"] for paper in papers if paper["run"] == "promoted-run"}
    status, headers, content = ask(watch, links["reports"])
    assert (status, content, headers["content-type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert headers["content-security-policy"].startswith("sandbox allow-popups; default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert ask(watch, links["rejects"])[1]["content-disposition"] == "attachment"
    for other in (f"/papers/{REPORT}", links["reports"][:-1], links["reports"].replace("green", "blue")):
        assert ask(watch, other)[0] == 401


@pytest.mark.parametrize(
    "key",
    [
        "reports/absent.html", "drops/green/settings.yaml", "imports/green/x.csv", "reports/../drops/green/x.csv",
        REPORT.replace(".html", ".json"), REJECTS.replace(".csv", ""),
    ],
)  # fmt: skip
def test_other_objects_of_the_bucket_have_no_links(key: str, watch: Watch) -> None:
    path = f"/papers/{quote(key)}"
    assert ask(watch, f"{path}?signature={signature(KEY, path)}")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "shops/absent", f"shops/{quote(ODD, safe='')}", "shops/", "shops/green/", "runs/absent", "runs", "",
        "shops/GREEN", "shops/../overview", f"runs/{'x' * 257}", "nothing", "shops/%ff",
    ],
)  # fmt: skip
def test_what_is_not_there_says_so(path: str, watch: Watch) -> None:
    status, headers, refusal = ask(watch, f"/api/{path}", SHOWN)
    assert (status, headers["content-type"], refusal["title"]) == (404, "application/problem+json", "Not Found")


def test_a_refusal_is_in_the_language_of_the_page(watch: Watch) -> None:
    refusal = ask(watch, "/api/shops/absent", {**SHOWN, "Accept-Language": "ko"})[2]
    assert refusal["detail"].startswith("상점 absent가 없습니다")


def test_a_cloud_that_is_down_says_how_to_start_it(watch: Watch) -> None:
    watch.cloud.is_down = True
    status, _, refusal = ask(watch, "/api/overview", SHOWN)
    assert (status, refusal["code"]) == (503, "down")
    assert "python -m local up" in refusal["detail"]


def test_a_failure_that_nobody_foresaw_says_where_it_is_told(watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    watch.cloud.facts = {"x": BrokenValue()}
    status, _, refusal = ask(watch, "/api/overview", SHOWN)
    assert (status, "logs watch" in refusal["detail"]) == (500, True)
    told = capfd.readouterr().err
    assert ("RuntimeError" in told, "user 7" in told) == (True, False)


class BrokenValue:
    def __str__(self) -> str:
        raise RuntimeError(f"user {7}")


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/js", "/js/.hidden.js", "/absent.js"])
def test_no_other_file_is_served(path: str, watch: Watch) -> None:
    assert ask(watch, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_facts_are_only_read(method: str, watch: Watch) -> None:
    assert ask(watch, "/api/overview", SHOWN, method)[0] in {405, 415}


def test_ids_may_have_any_characters(watch: Watch) -> None:
    assert ask(watch, f"/api/shops/green/users/{quote(ODD, safe='')}", SHOWN)[2]["user"] == ODD


ID = "0d9cf8a6-4f0e-4f0a-9d3c-2a6a1f0b7a11"
SENT = {**SHOWN, "Content-Type": "application/json"}


def act(watch: Watch, headers: dict[str, str] = SENT, **action: object) -> int:
    return ask(watch, "/api/shops/green/actions", headers, "POST", json.dumps(action))[0]


def test_an_action_goes_on_with_its_id_which_makes_it_one(watch: Watch) -> None:
    # That the cloud does it once is in `tests/app/test_watch.py`.
    assert act(watch, action="retrain", id=ID) == 202
    assert act(watch, action="erase", id=ID, user=ODD) == 202
    assert watch.cloud.acts == [("green", "retrain", ID, ""), ("green", "erase", ID, ODD)]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 401),
        ({**SENT, "Authorization": "Bearer x"}, 401),
        ({**SENT, "Origin": "https://elsewhere.example"}, 403),
        ({**SENT, "Host": "elsewhere.example"}, 403),
        ({**SENT, "Sec-Fetch-Site": "same-site"}, 403),
        ({**SENT, "Content-Type": "text/plain"}, 415),
    ],
)
def test_nobody_else_acts(headers: dict[str, str], status: int, watch: Watch) -> None:
    assert act(watch, headers, action="retrain", id=ID) == status
    assert watch.cloud.acts == []


@pytest.mark.parametrize(
    "action",
    [
        {}, {"action": "teardown", "id": ID}, {"action": "retrain"}, {"action": "retrain", "id": "1"},
        {"action": "erase", "id": ID}, {"action": "erase", "id": ID, "user": "x" * 257},
        {"action": "retrain", "id": ID, "user": "u1"}, {"action": ["retrain"], "id": ID}, [], "retrain", None,
    ],
)  # fmt: skip
def test_what_is_no_action_is_refused(action: object, watch: Watch) -> None:
    status, _, _ = ask(watch, "/api/shops/green/actions", SENT, "POST", json.dumps(action))
    assert (status, watch.cloud.acts) == (400, [])


def test_a_refused_action_says_why(watch: Watch) -> None:
    watch.cloud.refusal = "green has nothing to continue"
    body = json.dumps({"action": "continue", "id": ID})
    status, _, refusal = ask(watch, "/api/shops/green/actions", SENT, "POST", body)
    assert (status, refusal["detail"]) == (409, watch.cloud.refusal)
