# SPDX-License-Identifier: Apache-2.0
"""Viewable impressions: which items of a list somebody had on screen, half of one for a second.

They go through a queue into files of the bucket, and neither to Personalize nor into the table of users' events. A
file names nobody: a digest stands for the user, the same as in exposures. A queue may bring a message twice, so that
readers count an item of a list once.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from personalization.core.problems import FieldError, Problem
from personalization.events.models import Id, ListId, Request, Time, compact
from personalization.events.visitors import VisitorId

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FOLDER = "impressions"
_MOST_BYTES = 200_000
"""Of a message: SQS takes 256 KB."""


def _text(value: object) -> object:
    """Return a listId; an answer has none where its key could not be read, which costs no other list."""
    return "" if value is None else value


class SeenList(Request):
    """A list of which items were on screen."""

    list_id: Annotated[ListId, BeforeValidator(_text)]
    item_ids: list[Id] = Field(min_length=1, max_length=100)
    """The items that were seen of it, each once."""
    seen_at: Time | None = None
    """ISO 8601 or epoch seconds; now by default. No list is seen before it was made, or later than now."""


class Impressions(Request):
    """What a user, or a session without one, has seen."""

    user_id: Id | None = None
    session_id: Id
    visitor_id: VisitorId | None = None
    """As of events."""
    lists: list[SeenList] = Field(min_length=1, max_length=50)


@dataclass(frozen=True, slots=True)
class Who:
    """Who has seen lists."""

    shop: str
    unit: str
    """A digest; see `assignment.unit_digest`."""
    is_session: bool
    """Whether it is of a session, and so in no experiment."""


def refusals(lists: Sequence[SeenList], refusal: Callable[[str], str | None]) -> dict[int, str]:
    """Return why lists cannot have been seen, by their numbers."""
    return {number: word for number, seen in enumerate(lists) if (word := refusal(seen.list_id))}


def message(who: Who, lists: Iterable[SeenList], since: Callable[[str], float], now: float) -> str:
    """Return a message of lists for the queue.

    Args:
        who, lists: who has seen what.
        since: returns when the list of a listId was made, in epoch seconds.
        now: epoch seconds.

    Raises:
        Problem: it is too large.
    """
    rows = [
        {
            "listId": seen.list_id,
            "itemIds": list(dict.fromkeys(seen.item_ids)),
            "at": int(min(now, max(since(seen.list_id), now if seen.seen_at is None else seen.seen_at)) * 1000),
        }
        for seen in lists
    ]
    # SQS refuses some characters, which are escaped here.
    members = {"shop": who.shop, "unit": who.unit, "session": who.is_session, "accepted": int(now), "lists": rows}
    text = json.dumps(members, separators=(",", ":"))
    if len(text) > _MOST_BYTES:
        raise Problem(400, "The request is too large.", [FieldError("lists", "may have 200 KB")])
    return text


def enqueue(client: "SQSClient", queue: str, text: str) -> None:
    """Put a message into the queue; raise RetryLater if it takes none."""
    client.send_message(QueueUrl=queue, MessageBody=text)


def files(records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Return the files, by key, of a batch of messages, and the bodies of those that are none of ours."""
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    names: dict[tuple[str, str], str] = {}
    foreign = []
    for record in records:
        try:
            body = json.loads(record["body"])
            when = datetime.fromtimestamp(body["accepted"], UTC)
            shop, unit = str(body["shop"]), str(body["unit"])
            members = {"shop": shop, "unit": unit, **({"session": True} if body.get("session") else {})}
            rows = [{**members, **{name: row[name] for name in _MEMBERS}} for row in body["lists"]]
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            foreign.append(str(record["body"]))
            continue
        key = shop, f"{when:%Y/%m/%d}"
        names.setdefault(key, f"{when:%H%M%S}-{record['messageId']}")
        lines[key] += map(compact, rows)
    return {
        f"{FOLDER}/{shop}/{day}/{names[shop, day]}.jsonl": "".join(f"{line}\n" for line in texts)
        for (shop, day), texts in lines.items()
    }, foreign


_MEMBERS = ("listId", "itemIds", "at")
