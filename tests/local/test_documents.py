# SPDX-License-Identifier: Apache-2.0
"""The documentation site: the pages that are built, and what the local cloud serves of them."""

import asyncio
import re
import tomllib
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from local.cloud.aws import documentation
from local.documents import build
from tests.docs.pages import ROOT, read


def test_links_between_pages_lead_to_their_places_on_the_site() -> None:
    text = build.page(ROOT / "README.md", build.sources())
    assert "](settings/files.md#what-a-file-must-be)" in text
    assert "](decisions/index.md)" in text
    assert "](images/storefront.png)" in text
    assert "](LICENSE)" not in text
    assert "```mermaid" not in text


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r'"([\w./-]+\.md)"', read("local/documents/zensical.toml"))
    pages = {source for source in build.sources().values() if source.endswith(".md")}
    assert sorted(listed) == sorted({*pages, "openapi.md"})
    assert tomllib.loads(read("local/documents/zensical.toml"))["project"]["theme"]["font"] is False


def test_the_site_says_its_version_and_links_a_repository_that_has_an_address() -> None:
    project_table, project = (
        tomllib.loads(read("pyproject.toml"))["project"],
        tomllib.loads(build.settings())["project"],
    )
    assert project_table["version"] in project["copyright"]
    assert project.get("repo_url") == project_table.get("urls", {}).get("Repository")


Message = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]


async def ask(application: Application, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """What an application answers: status, headers, body."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await application({"type": "http", "method": method, "path": path}, receive, send)
    begun, body = sent
    return begun["status"], {name.decode(): value.decode() for name, value in begun["headers"]}, body["body"]


async def elsewhere(_scope: Message, _receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """A site of one page, with a secret beside it."""
    (tmp_path / "site" / "api").mkdir(parents=True)
    (tmp_path / "site" / "api" / "index.html").write_text("<h1>HTTP API</h1>")
    (tmp_path / "secret").write_text("secret")
    return documentation.served(elsewhere, tmp_path / "site")


@pytest.mark.parametrize(
    ("method", "path", "status", "content"),
    [
        ("GET", "/_local/docs/api/", 200, b"<h1>HTTP API</h1>"),
        ("HEAD", "/_local/docs/api/", 200, b""),
        ("GET", "/_local/docs/api", 308, b""),
        ("GET", "/_local/docs", 308, b""),
        ("GET", "/_local/docs/nothing", 404, b"There is no such page.\n"),
        ("GET", "/_local/docs/../secret", 404, b"There is no such page.\n"),
        ("GET", "/_local/docs//etc/passwd", 404, b"There is no such page.\n"),
        ("GET", "/_local/faults", 418, b""),
    ],
)
def test_the_site_and_nothing_else_is_served(
    application: Application, method: str, path: str, status: int, content: bytes
) -> None:
    told, headers, body = asyncio.run(ask(application, method, path))
    assert (told, body) == (status, content)
    assert status == 418 or "default-src 'self'" in headers["content-security-policy"]
    assert status != 308 or headers["location"] == f"{path}/"


def test_a_site_that_was_never_built_says_how(tmp_path: Path) -> None:
    status, _, body = asyncio.run(ask(documentation.served(elsewhere, tmp_path / "site"), "GET", "/_local/docs/"))
    assert (status, body.decode().endswith("has not been built on this machine: make docs\n")) == (404, True)
