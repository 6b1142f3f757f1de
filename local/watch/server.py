# SPDX-License-Identifier: Apache-2.0
"""The server of the watch page: static files for everybody, and facts and actions for who shows the page's key.

`open` and `status` print the address with the key behind a `#`, which no browser sends anywhere; the page shows it in a
header. A link cannot carry a header, so a report's address carries a signature of its own path, made with the key.
"""

import hmac
import json
import re
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

from personalization.shop.keys import is_shop

from local.cloud.environments import LocalError
from local.terminal.speech import TEXTS, rendered
from local.web.server import PageHandler, Reply, json_reply, problem, static_file

FOLDER: Final = Path(__file__).parent / "static"
MOST_CHARACTERS: Final = 256
"""Of an id, as in the API."""
ACTIONS: Final = ("retrain", "continue", "rollback", "erase")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAPERS: Final = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8"}
"""Kinds of files of the bucket that a link opens."""
_QUIET: Final = {
    "Cache-Control": "no-store",
    # A report holds a shop's own texts: it runs nothing and asks nobody.
    "Content-Security-Policy": "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class MissingError(LocalError):
    """There is no such shop, run, or file."""


class Watched(Protocol):
    """What the page shows and does; texts of errors say what to do."""

    def key(self) -> str:
        """Return the page's key. Raises NotRunningError."""

    def overview(self) -> dict[str, Any]: ...

    def shop(self, shop: str) -> dict[str, Any]:
        """Raises MissingError."""

    def steps(self, run: str) -> dict[str, Any]:
        """Raises MissingError."""

    def paper(self, key: str) -> bytes:
        """Return a file of the bucket. Raises MissingError."""

    def customer(self, shop: str, user: str) -> dict[str, Any]: ...

    def item(self, shop: str, item: str) -> dict[str, Any]:
        """Raises MissingError."""

    def find(self, shop: str, text: str) -> dict[str, Any]: ...

    def act(self, shop: str, action: str, name: str, user: str) -> dict[str, Any]:
        """Do one of ACTIONS, once for each name."""


class WatchHandler(PageHandler):
    NAME = "page"
    AFTER_A_FAILURE = "Where it did is in its log: `python -m local logs watch`."
    server_version = "watch"
    cloud: ClassVar[Watched]

    def read(self) -> Reply:
        if self.route.startswith("/papers/"):
            return self._answered(self._paper)
        if self.route == "/js/steps.ko.json":
            return static_file(TEXTS, "steps.ko.json")
        if not self.route.startswith(self.DOOR):
            return static_file(FOLDER, self.route)
        return self._answered(lambda: self._refused() or self._facts())

    def written(self, body: bytes) -> Reply:
        return self._answered(lambda: self._refused() or self._act(body))

    def may_be_linked(self) -> bool:
        return not self.path.startswith((self.DOOR, "/papers/"))

    def _answered(self, answer: Any) -> Reply:  # noqa: ANN401 - a callable without arguments
        """Return an answer, or what went wrong as a problem with its way out."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the page itself needs no SDK

        try:
            reply: Reply = answer()
        except MissingError as error:
            return problem(404, "Not Found", self._said(error))
        except LocalError as error:
            refusal = getattr(error, "answer", None)  # of the HTTP API
            status = refusal.status if refusal else 503 if error.code == 3 else 409
            return problem(status, "Refused", self._said(error), code="down" if error.code == 3 else "refused")
        except (BotoCoreError, ClientError) as error:
            return problem(503, "Service Unavailable", f"The local cloud does not answer: {error}", code="down")
        return reply

    def _said(self, error: LocalError) -> str:
        """Return what an error says, in the language that the page is read in."""
        return rendered(error.said, "ko" if self.headers.get("Accept-Language", "").startswith("ko") else "en")

    def _refused(self) -> Reply | None:
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(shown.encode(), self.cloud.key().encode()):
            return None
        detail = "The page needs its key: open it by `python -m local open`, or by the address that `status` prints."
        return problem(401, "Unauthorized", detail, code="key")

    def _facts(self) -> Reply:
        parts = self._parts()
        if any(not part or len(part) > MOST_CHARACTERS for part in parts):
            return problem(404, "Not Found", "There is no such thing.")
        facts = self._looked_up(parts)
        return problem(404, "Not Found", "There is no such thing.") if facts is None else json_reply(facts)

    def _looked_up(self, parts: list[str]) -> dict[str, Any] | None:
        match parts:
            case ["overview"]:
                facts = self.cloud.overview()
            case ["runs", run]:
                facts = self.cloud.steps(run)
            case ["shops", shop] if is_shop(shop):
                facts = self._with_links(self.cloud.shop(shop))
            case ["shops", shop, "users", user] if is_shop(shop):
                facts = self.cloud.customer(shop, user)
            case ["shops", shop, "items", item] if is_shop(shop):
                facts = self.cloud.item(shop, item)
            case ["shops", shop, "find", text] if is_shop(shop):
                facts = self.cloud.find(shop, text)
            case _:
                return None
        return facts

    def _act(self, body: bytes) -> Reply:
        parts, action = self._parts(), read_action(body)
        if self.command != "POST" or len(parts) != 3 or (parts[0], parts[2]) != ("shops", "actions"):
            return problem(404, "Not Found", "There is no such action.")
        if action is None or not is_shop(parts[1]):
            return problem(400, "Bad Request", f"An action is one of {', '.join(ACTIONS)}, with an id (a UUID).")
        done = self.cloud.act(parts[1], action["action"], action["id"], action.get("user", ""))
        return json_reply(done, 202)

    def _parts(self) -> list[str]:
        return [unquote(part) for part in self.route.removeprefix(self.DOOR).split("/")]

    def _with_links(self, shop: dict[str, Any]) -> dict[str, Any]:
        for paper in shop["papers"]:
            path = f"/papers/{quote(paper['key'])}"
            paper["href"] = f"{path}?signature={signature(self.cloud.key(), path)}"
        return shop

    def _paper(self) -> Reply:
        path, query = self.route, parse_qs(urlsplit(self.path).query)
        given = (query.get("signature") or [""])[0]
        if not hmac.compare_digest(given.encode(), signature(self.cloud.key(), path).encode()):
            return problem(401, "Unauthorized", "Open this page by its link on the watch page.")
        key = unquote(path.removeprefix("/papers/"))
        kind = _PAPERS.get(Path(key).suffix)
        if kind is None or not key.startswith(("reports/", "rejects/")) or ".." in key.split("/"):
            return problem(404, "Not Found", "There is no such report.")
        saved = {} if kind.startswith("text/html") else {"Content-Disposition": "attachment"}
        return Reply(200, self.cloud.paper(key), {**_QUIET, **saved, "Content-Type": kind})


def signature(key: str, path: str) -> str:
    """Return what a link to a paper carries: it opens this path and no other."""
    return hmac.digest(key.encode(), path.encode(), "sha256").hex()[:32]


def read_action(body: bytes) -> dict[str, str] | None:
    """Return the members of an action that a page sent; None if it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        return None
    has_user = 0 < len(document.get("user", "")) <= MOST_CHARACTERS
    if document.get("action") not in ACTIONS or has_user != (document["action"] == "erase"):
        return None
    return document if _ID.fullmatch(document.get("id", "")) else None
