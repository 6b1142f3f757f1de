# SPDX-License-Identifier: Apache-2.0
"""A page of another origin that knows every port of this machine, in Chromium: it reads and changes nothing."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
import urllib3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser, Page

from local.cloud import lifecycle
from local.cloud.home import access
from local.storefront import server
from local.storefront.catalogue import Shop
from tests.app.laptop import Laptop, listening
from tests.storefront import chromium
from tests.storefront.browser import browsing

ELSEWHERE = "evil.test"
"""A name that leads to this machine, as that of a page whose name server says so."""
PUBLIC = Credentials("test", "test")
FRONT = 8080
"""The port of the page that `samconfig.toml` allows."""

ATTACK = """async (targets) => {
  const told = [];
  const add = (how, target, what) => told.push([how, target.url, what]);
  const loaded = (tag, set) => new Promise((end) => {
    const one = document.createElement(tag);
    one.onload = () => end("loaded");
    one.onerror = () => end("failed");
    set(one);
    document.body.append(one);
    setTimeout(() => end("silent"), 60000);
  });
  const tried = async (target) => {
    const sent = { method: target.method, body: target.method === "GET" ? undefined : target.body };
    for (const mode of ["no-cors", "cors"])
      await fetch(target.url, { ...sent, mode, credentials: "include" })
        .then(async (answer) => add(mode, target, answer.type === "opaque" ? "opaque" : await answer.text()))
        .catch(() => add(mode, target, "failed"));
    await fetch(target.url, { ...sent, headers: { "X-Amz-Target": "AmazonPersonalize.ListSchemas" } })
      .then(async (answer) => add("preflight", target, await answer.text()))
      .catch(() => add("preflight", target, "failed"));
    if (target.method === "GET") {
      add("img", target, await loaded("img", (one) => { one.src = target.url; }));
      add("script", target, await loaded("script", (one) => { one.src = target.url; }));
    } else {
      const name = `frame-${targets.indexOf(target)}`;
      const frame = document.createElement("iframe");
      frame.name = name;
      document.body.append(frame);
      const form = document.createElement("form");
      const enctype = target.form ? "multipart/form-data" : "text/plain";
      Object.assign(form, { action: target.url, method: "POST", enctype, target: name });
      for (const [field, value] of Object.entries(target.form ?? { [target.body]: "" })) {
        const input = document.createElement("input");
        Object.assign(input, { name: field, value, type: "hidden" });
        form.append(input);
      }
      document.body.append(form);
      await new Promise((end) => { frame.onload = end; form.submit(); setTimeout(end, 3000); });
      let seen = "failed";
      try { seen = frame.contentDocument?.body?.textContent ?? "failed"; } catch { }
      add("form", target, seen);
    }
  };
  // Most answers never come: what is asked of one door waits for nobody else's.
  await Promise.all(targets.map(tried));
  const sockets = [...new Set(targets.map(({ url }) => new URL(url).host))];
  for (const host of sockets)
    add("socket", { url: host }, await new Promise((end) => {
      const one = new WebSocket(`ws://${host}/`);
      one.onopen = () => end("open");
      one.onerror = () => end("failed");
    }));
  return told;
}"""


class Blank(BaseHTTPRequestHandler):
    """A page without anything."""

    def do_GET(self) -> None:
        """The page."""
        content = b"<!doctype html><title>Elsewhere</title><h1>Elsewhere</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""


@contextlib.contextmanager
def page_at(port: int = 0) -> Iterator[int]:
    """A page of its own origin at a port of 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Blank)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser to which a foreign name means this machine."""
    if chromium.find() is None:
        pytest.skip("Chromium is not on this machine: `make test` brings one where it can")
    with browsing(ELSEWHERE) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that was never here."""
    with browser.new_page() as page:
        yield page


def signed(laptop: Laptop, service: str, method: str, path: str, body: str = "", *, by: Credentials = PUBLIC) -> str:
    """The address of a request whose signature is in its query, as a page can send it without asking first."""
    request = AWSRequest(method, f"{laptop.state.endpoint}{path}", data=body or None)
    SigV4QueryAuth(by, service, "us-east-1").add_auth(request)
    return str(request.url)


def requests(laptop: Laptop, by: Credentials) -> list[dict[str, Any]]:
    """What a page would try: requests that make something, change something or tell something."""
    function = json.dumps(
        {"FunctionName": "planted", "Runtime": "python3.13", "Role": "arn:aws:iam::000000000000:role/x"}
    )
    sweep = f"/2015-03-31/functions/{laptop.state.outputs['SweepFunctionName']}/invocations"
    reach = access(laptop.state)
    reach["aws_access_key_id"], reach["aws_secret_access_key"] = by.access_key, by.secret_key
    signer = boto3.client("s3", **reach)
    form = signer.generate_presigned_post(laptop.bucket, "drops/evil/users/a.csv")["fields"]
    rule, moved = json.dumps({"action": "throttle"}), json.dumps({"advanceSeconds": 9})
    requests_made = [
        ("POST", signed(laptop, "lambda", "POST", "/2015-03-31/functions", function, by=by), function),
        ("POST", signed(laptop, "lambda", "POST", sweep, "{}", by=by), "{}"),
        ("GET", signed(laptop, "lambda", "GET", "/2015-03-31/functions", by=by), ""),
        ("GET", signed(laptop, "apigateway", "GET", "/apikeys?includeValues=true", by=by), ""),
        ("GET", signed(laptop, "s3", "GET", f"/{laptop.bucket}?list-type=2", by=by), ""),
        ("POST", f"{laptop.state.endpoint}/_ministack/reset", ""),
        ("POST", f"{laptop.state.endpoint}/_ministack/config", json.dumps({"stepfunctions._SFN_WAIT_SCALE": 99})),
        ("GET", f"{laptop.state.endpoint}/_ministack/health", ""),
        ("POST", f"{laptop.state.endpoint}/_local/faults", rule),
        ("POST", f"{laptop.state.endpoint}/_local/clock", moved),
        ("POST", f"{laptop.state.engine}/faults", rule),
        ("POST", f"{laptop.state.engine}/clock", moved),
        ("POST", f"{laptop.state.engine}/events", "{}"),
        ("GET", f"{laptop.state.engine}/", ""),
    ]
    posted = {
        "method": "POST",
        "url": f"{laptop.state.endpoint}/{laptop.bucket}",
        "body": "",
        "form": form | {"file": "x"},
    }
    return [*({"method": method, "url": url, "body": body} for method, url, body in requests_made), posted]


def state_of(laptop: Laptop) -> dict[str, object]:
    """What a page would have changed."""
    functions = boto3.client("lambda", **access(laptop.state)).get_paginator("list_functions").paginate()
    # What runs of other tests have begun may write reports and copies at any time, but drops nothing.
    dropped = laptop.s3.get_paginator("list_objects_v2").paginate(Bucket=laptop.bucket, Prefix="drops/")
    doors = [laptop.faults, laptop.cloud_faults]
    return {
        "functions": sorted(function["FunctionName"] for page in functions for function in page["Functions"]),
        "objects": sorted(content["Key"] for page in dropped for content in page.get("Contents", [])),
        "rules": [door.rules() for door in doors],
        "ahead": urllib3.request("GET", f"{laptop.state.engine}/clock").json()["ahead"],
        "moved": urllib3.request("GET", f"{laptop.state.endpoint}/_local/clock").json()["moved"],
        "waits": urllib3.request("GET", f"{laptop.state.endpoint}/_local/clock").json()["waitScale"],
    }


@pytest.mark.parametrize("host", [ELSEWHERE, "127.0.0.1"], ids=["another site", "another port"])
def test_a_page_of_another_origin_changes_nothing_and_reads_nothing(laptop: Laptop, page: Page, host: str) -> None:
    credentials = Credentials(laptop.state.access_key, laptop.state.secret_key)
    assert all(
        urllib3.request("GET", signed(laptop, service, "GET", path, by=credentials)).status == 200
        for service, path in (("lambda", "/2015-03-31/functions"), ("apigateway", "/apikeys?includeValues=true"))
    ), "requests are signed as they should be"
    front = server.Storefront(laptop.state.api, laptop.state.key, Shop(name="green"))
    before = state_of(laptop)
    with server.serving(front) as shop, page_at() as port:
        ports = {int(shop.rstrip("/").rpartition(":")[2]), laptop.state.watch.port if laptop.state.watch else 0}
        for process in laptop.state.processes:
            ports |= {port for _, port in listening(lifecycle.family_of(process.pid))}
        everywhere = [
            {"method": method, "url": f"http://127.0.0.1:{port}/{path}", "body": "{}"}
            for port in ports
            for method, path in (
                ("GET", ""),
                ("POST", ""),
                ("GET", "api/health"),
                ("GET", "2018-06-01/runtime/invocation/next"),
            )
        ]
        # Even a page that knows the key gets nowhere.
        tried = [*requests(laptop, PUBLIC), *requests(laptop, credentials), *everywhere]
        page.goto(f"http://{host}:{port}/")
        told = page.evaluate(f"({ATTACK})({json.dumps(tried)})")
    assert len(told) >= 3 * len(tried)
    assert {(how, what) for how, _, what in told} <= {
        ("no-cors", "opaque"), ("no-cors", "failed"), ("cors", "failed"), ("preflight", "failed"), ("img", "failed"),
        ("script", "failed"), ("form", "failed"), ("form", ""), ("socket", "failed"),
    }, [entry for entry in told if entry[2] not in {"opaque", "failed", ""}]  # fmt: skip
    assert state_of(laptop) == before


def test_another_name_for_this_machine_leads_nowhere(laptop: Laptop, page: Page) -> None:
    for address in (laptop.state.endpoint, laptop.state.engine):
        port = address.rpartition(":")[2]
        page.goto(f"http://{ELSEWHERE}:{port}/_ministack/health")
        assert f"not called {ELSEWHERE}:{port}" in page.evaluate("document.documentElement.textContent")
        read = f"fetch('http://{ELSEWHERE}:{port}/', {{method: 'POST', body: '{{}}'}}).then((answer) => answer.status)"
        assert page.evaluate(read) == 403


def test_a_front_end_of_its_own_asks_the_application_s_api(laptop: Laptop, page: Page) -> None:
    try:
        listening = page_at(FRONT)
        port = listening.__enter__()
    except OSError:
        pytest.skip(f"port {FRONT} is taken")
    try:
        page.goto(f"http://127.0.0.1:{port}/")
        health = f"fetch('{laptop.state.api}/health').then(async (answer) => [answer.status, await answer.json()])"
        assert page.evaluate(health)[0] == 200
        begin = "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'}"
        session = f"fetch('{laptop.state.browser_api}/shops/none/sessions', {begin}).then((answer) => answer.status)"
        assert page.evaluate(session) in {201, 404}
    finally:
        listening.__exit__(None, None, None)


def test_the_application_s_api_answers_pages_by_its_template_s_cors(laptop: Laptop) -> None:
    page = {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "cross-site"}
    for method in ("GET", "OPTIONS"):
        answer = urllib3.request(method, f"{laptop.state.api}/health", headers=page)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, f"http://127.0.0.1:{FRONT}")
