# SPDX-License-Identifier: Apache-2.0
"""Serve the documentation site at :data:`DOCS` of the local AWS, as `make docs` has built it."""

import mimetypes
from pathlib import Path
from typing import Final

from local.cloud.aws import DOCS, Application, Message, Receive, Send
from local.cloud.environments import LOCAL

SITE: Final = LOCAL / "docs" / "site"
ABSENT: Final = "The documentation has not been built on this machine: make docs\n"
POLICY: Final = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'; form-action 'none'"
"""The content security policy of the site: a page loads nothing from elsewhere."""


def served(application: Application, site: Path = SITE) -> Application:
    """Return an ASGI application that answers for the site and passes on everything else."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not f"{path}/".startswith(DOCS):
            await application(scope, receive, send)
            return
        status, headers, content = answer(site.resolve(), path)
        fields = {**headers, "content-length": str(len(content)), "content-security-policy": POLICY}
        pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    return serve


def answer(site: Path, path: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and content; a folder is its `index.html`, and its address ends in a slash."""
    if not site.is_dir():
        return 404, {"content-type": "text/plain"}, ABSENT.encode()
    target = (site / path[len(DOCS) :]).resolve()
    if target.is_relative_to(site) and target.is_dir():
        if not path.endswith("/"):
            return 308, {"location": f"{path}/"}, b""
        target /= "index.html"
    if not target.is_relative_to(site) or not target.is_file():
        return 404, {"content-type": "text/plain"}, b"There is no such page.\n"
    kind = mimetypes.guess_type(target.name)[0] or "application/octet-stream"
    return 200, {"content-type": kind}, target.read_bytes()
