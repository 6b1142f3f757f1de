# SPDX-License-Identifier: Apache-2.0
"""A customer or an item of a shop: what is known, what the HTTP API answers, and why."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from personalization.core.errors import PersonalizationError
from personalization.core.names import is_of_engine
from personalization.shop.records import item_table
from personalization.shop.records.item_table import ShownItems
from personalization.shop.settings import settings_file
from table_intake.wording import Text

from local.cloud.client import Answer, ApiError, Client, translating
from local.cloud.environments import LocalError
from local.cloud.home import REGION, access
from local.terminal.output import item_name, letters
from local.watch.server import MissingError

if TYPE_CHECKING:
    from local.watch.own_engine import OwnEngine

LISTED: Final = 12
"""Items of a list."""
MATCHES: Final = 20
"""Items that a search shows."""
WAIT_SECONDS: Final = 3.0
"""The longest time to wait for names of items."""
_AT_ONCE: Final = 8
"""Files of the table of items that are fetched at the same time."""


class People:
    """Looks up customers and items of one running cloud; the names of a shop's items are read once a version."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._s3 = boto3.client("s3", **access(client.state))
        self._reading, _ = translating(**access(client.state))
        self._shown = ShownItems(self._fetch)
        self._names: dict[str, tuple[str, list[tuple[str, str]]]] = {}

    def customer(self, shop: str, user: str) -> dict[str, Any]:
        """Return what a shop knows of a user, what it recommends, how likely they buy it, and why it is shown."""
        hashed = self._client.hashes(shop)
        user = hashed(user) if hashed else user
        listed = _items(lambda: self._client.recommend(shop, user, limit=str(LISTED)))
        ids = [str(item["itemId"]) for item in listed]
        facts = self._facts(shop, {"user": user, "items": ids})
        chances, told = self._chances(shop, user, ids)
        latest, because = facts.get("latest", []), facts.get("because", {})
        names = self._named(shop, [*ids, *(row["item"] for row in latest), *(cause for cause, _ in because.values())])
        return {
            "user": user,
            "columns": facts.get("user", {}),
            "interactions": facts.get("interactions", 0),
            "history": [
                {"item": row["item"], "name": names.get(row["item"], ""), "at": _iso(row["time"]), "type": row["type"]}
                for row in latest
            ],
            "items": [
                _listed(item) | {"chance": chances.get(item["itemId"]), "due": _due(because.get(item["itemId"]), names)}
                for item in listed
            ],
            "likelihood": told,
            "currency": self._currency(shop),
        }

    def item(self, shop: str, item: str) -> dict[str, Any]:
        """Return what a shop knows of an item, the similar ones, and who had it last."""
        facts = self._facts(shop, {"who": item, "items": [item]})
        columns = self._shown.find(shop, [item], None, WAIT_SECONDS).get(item) or facts["items"][item]["columns"]
        who = facts["who"]
        if not columns and not who["interactions"]:
            text = "{shop} knows no item {item}: look it up by its name, or by the beginning of its id"
            raise MissingError(Text("watch.no-item", text, shop=shop, item=item))
        similar = _items(lambda: self._client.similar(shop, item, limit=str(LISTED)))
        return {
            "item": item,
            "name": item_name({"itemId": item, "metadata": columns}),
            "columns": columns,
            "rank": facts["items"][item]["rank"],
            "currency": self._currency(shop),
            "interactions": who["interactions"],
            "latest": [{"user": row["user"], "at": _iso(row["time"]), "type": row["type"]} for row in who["latest"]],
            "similar": [_listed(entry) for entry in similar if entry["itemId"] != item],
        }

    def find(self, shop: str, text: str) -> dict[str, Any]:
        """Return users whose ids begin with a text or whose columns have it, and items by id or name.

        Where a shop hashes its ids, a user is also found by the whole id that the shop itself knows.
        """
        like = self._facts(shop, {"like": text})["like"]
        if (hashed := self._client.hashes(shop)) and (user := hashed(text)) not in {"", text}:
            like["users"] += self._facts(shop, {"like": user})["like"]["users"]
        wanted = text.casefold()
        names = dict(self._all_names(shop))
        begin = [*like["items"], *(item for item in names if item.startswith(text))]
        contain = sorted((item for item, name in names.items() if wanted in name.casefold()), key=names.__getitem__)
        items = list(dict.fromkeys([*begin, *contain]))[:MATCHES]
        columns: dict[str, dict[str, Any]] = {user: {} for user in like["users"]} | like["described"]
        return {
            "users": [{"user": user, "columns": cells} for user, cells in columns.items()],
            "items": [{"item": item, "name": names.get(item, "")} for item in items],
        }

    @cached_property
    def _own_engine(self) -> "OwnEngine":
        from local.watch.own_engine import OwnEngine  # noqa: PLC0415 - numpy, for shops on the engine alone

        return OwnEngine.of(self._client)

    def _facts(self, shop: str, question: Mapping[str, object]) -> dict[str, Any]:
        """Ask what is known: the stand-in of Amazon Personalize, or the engine in the shop's account."""
        campaigns = self._client.runs.record(shop, "release").get("campaigns") or {}
        if not campaigns:
            text = "{shop} has no release yet: drop its files, and look here when a run has promoted one"
            raise MissingError(Text("watch.no-release", text, shop=shop))
        personal = next((alias for alias in campaigns if "personalization" in alias), next(iter(campaigns)))
        campaign = str(campaigns[personal]["arn"])
        if is_of_engine(campaign):
            return self._own_engine.facts(shop, campaign, question)
        return self._told_by_service(campaign, question)

    def _told_by_service(self, campaign: str, question: Mapping[str, object]) -> dict[str, Any]:
        """Ask the stand-in of Amazon Personalize; it wants a key that may read people's data."""
        state = self._client.state
        body = json.dumps({"source": campaign, **question}).encode()
        address = f"{state.engine}/_page/why"
        request = AWSRequest("POST", address, {"Content-Type": "application/json"}, body)
        SigV4Auth(Credentials(state.access_key, state.secret_key), "personalize", REGION).add_auth(request)
        answer = self._client.http.request("POST", address, body=body, headers=dict(request.headers.items()))
        content: dict[str, Any] = json.loads(answer.data)
        if answer.status != 200:
            raise LocalError(f"the engine does not say what it knows: {content.get('message', answer.status)}")
        return content

    def _chances(self, shop: str, user: str, ids: Sequence[str]) -> tuple[dict[str, float], dict[str, Any]]:
        """Return how likely a user is to buy items, and what the numbers mean, or why there are none."""
        try:
            body = self._client.likelihood(shop, user, ids).body if ids else {}
        except ApiError as refused:
            return {}, {"why": str(refused)}
        chances = {str(item["itemId"]): float(item["probability"]) for item in body.get("items", ())}
        members = ("horizonDays", "eventType", "baseRate", "verdict", "asOf")
        return chances, {name: body[name] for name in members if name in body}

    def _currency(self, shop: str) -> str | None:
        """Return the currency that the shop's settings name for its prices."""
        with suppress(PersonalizationError):  # settings that are refused have a run that says so
            bucket = self._client.state.outputs["BucketName"]
            return settings_file.settings_that_hold(self._reading, bucket, shop)[0].storefront.currency
        return None

    def _named(self, shop: str, ids: Iterable[str]) -> dict[str, str]:
        """Return the names of items that have one."""
        columns = self._shown.find(shop, ids, None, WAIT_SECONDS)
        named = {item: item_name({"itemId": item, "metadata": values}) for item, values in columns.items()}
        return {item: name for item, name in named.items() if name != item}

    def _all_names(self, shop: str) -> list[tuple[str, str]]:
        """Return the ids and names of all items of a shop's table; empty for a shop without one."""
        document = self._fetch(item_table.document_key(shop))
        table = item_table.readable(json.loads(document)) if document else None
        if table is None:
            return []
        version = f"{table.version} {max(table.changed.values(), default=0)}"
        if self._names.get(shop, ("", []))[0] != version:
            column = item_table.name_column(table.columns)
            number = str(table.columns.index(column)) if column else ""
            keys = [item_table.shard_key(shop, table.version, shard) for shard in range(table.shards)]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                files = pool.map(self._fetch, keys)
                rows = [json.loads(row) for file in files if file for row in item_table.rows(item_table.unpack(file))]
            self._names[shop] = (version, [(row[""], row.get(number) or "") for row in rows])
        return self._names[shop][1]

    def _fetch(self, key: str) -> bytes | None:
        try:
            content: bytes = self._s3.get_object(Bucket=self._client.state.outputs["BucketName"], Key=key)[
                "Body"
            ].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return content


def _items(ask: Callable[[], Answer]) -> list[dict[str, Any]]:
    """Return the items of a list; none where the shop has no such list, as its settings or the gate have it."""
    try:
        items: list[dict[str, Any]] = ask().body["items"]
    except ApiError as refused:
        if refused.answer.status != 404:
            raise
        return []
    return items


def _listed(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of an answer: its name and price, where it comes from, and the API's reason."""
    because = item.get("because") or {}
    return {
        "item": item["itemId"],
        "name": item_name(item) if item_name(item) != item["itemId"] else "",
        "price": letters(item).get("price"),
        "source": item.get("source", ""),
        "because": because.get("code", ""),
    }


def _due(cause: Sequence[Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the item of the history that an item owes most to, and the share of its score."""
    return {"item": cause[0], "name": names.get(cause[0], ""), "share": cause[1]} if cause else None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
