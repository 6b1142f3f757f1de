# SPDX-License-Identifier: Apache-2.0
"""Probe a campaign: send real requests, and decide whether users may see its answers."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from personalization.core import csv_dialect
from personalization.core.aws.errors import reason
from personalization.core.errors import Rejected, RetryLater
from personalization.personalize import runtime
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop.gates import Probe

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

Call = Literal["recommend", "rank"]
USERS = 50
"""The most users, and the most items, in a sample."""
LENGTH = 10
"""Items per request."""
PERSONAL = ("user-personalization", "personalized-ranking")
"""Recipes whose answers differ from user to user."""
MAX_SECONDS = 200.0
"""The most seconds that one campaign is probed; the function has 300 seconds."""
MAX_THROTTLED = 6
"""Throttled requests in a row before the probe stops."""
MAX_PAUSE = 10.0
"""The longest pause between two requests, in seconds."""
_MIN_USERS = 5
"""With fewer users, equal answers may be chance."""
UNKNOWN_USER = "nobody-yet"
"""A user without history: every request carries a userId, because some recipes require one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Ids of users and items in the shop's data."""

    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One request: its subject in words, and its parameters."""

    about: str
    call: Call
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A campaign's answer: item ids in order, names where known, and the latency."""

    about: str
    items: tuple[str, ...]
    names: Mapping[str, str]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A campaign's replies, and the number of questions that stayed throttled."""

    replies: tuple[Reply, ...]
    throttled: int = 0


class Pace:
    """The pace of a probe: constant, slower after throttling, and within the function's time.

    Args:
        per_second: initial requests a second.
        seconds: the most seconds in total.
    """

    def __init__(self, per_second: float, seconds: float = MAX_SECONDS) -> None:
        self._interval = 1 / per_second
        self._seconds = seconds
        self._began = self._last = -math.inf
        self._refused = 0

    def pause(self, now: float) -> float | None:
        """Return the seconds to wait before the next request, or None if the time is up."""
        if self._began == -math.inf:
            self._began = now
        at = max(now, self._last + self._interval)
        if self._refused >= MAX_THROTTLED or at - self._began > self._seconds:
            return None
        self._last = at
        return at - now

    def throttled(self) -> None:
        """Halve the pace after a throttled request."""
        self._refused += 1
        self._interval = min(2 * self._interval, max(MAX_PAUSE, self._interval))

    def answered(self) -> None:
        self._refused = 0


def key(shop: str) -> str:
    """Return the key of a shop's sample, which outlives the import copies."""
    return f"reports/{shop}/sample.json"


def sample(head: str) -> Sample:
    """Sample users and items evenly from the beginning of an import copy.

    Args:
        head: the header and first rows of a CSV with USER_ID and ITEM_ID; a truncated last row is left out.
    """
    names, *rows = list(csv_dialect.records(head.split("\n")[:-1])) or [[]]
    records = [dict(zip(names, row, strict=False)) for row in rows]
    users, items = (
        list(dict.fromkeys(row[name] for row in records if row.get(name))) for name in ("USER_ID", "ITEM_ID")
    )
    return Sample(_spread(users), _spread(items))


def _spread(ids: Sequence[str]) -> tuple[str, ...]:
    step = max(1, len(ids) // USERS)
    return tuple(ids[::step][:USERS])


def questions(alias: str, known: Sample, most: int) -> list[Question]:
    """Return the questions for a campaign of a recipe: by user, by item, or one for everybody."""
    users, items = known.users[:most] or (UNKNOWN_USER,), known.items[:most]
    size = {"numResults": LENGTH}
    if alias == "personalized-ranking":
        return [Question(user, "rank", {"userId": user, "inputList": list(items[:LENGTH])}) for user in users if items]
    if alias == "similar-items":
        return [Question(item, "recommend", {"userId": UNKNOWN_USER, "itemId": item, **size}) for item in items]
    if alias == "user-personalization":
        return [Question(user, "recommend", {"userId": user, **size}) for user in users]
    return [Question("everybody", "recommend", {"userId": UNKNOWN_USER, **size})]


def ask(
    client: "PersonalizeRuntimeClient", campaign_arn: str, questions: Sequence[Question], name: str | None, pace: Pace
) -> ProbeResult:
    """Send questions to a campaign, one after the other, no faster than the pace.

    Throttled questions are retried at a slower pace; those that stay throttled are left open.

    Args:
        client: recommendations.
        campaign_arn: the campaign.
        questions: the questions.
        name: the column of Items that names an item, if there is one.
        pace: how fast, and for how long.

    Raises:
        RetryLater, Rejected, Broken: see `translate_errors`, except throttling.
    """
    replies, left = list[Reply](), deque(questions)
    while left and (pause := pace.pause(time.monotonic())) is not None:
        time.sleep(pause)
        try:
            replies.append(_reply(client, campaign_arn, left[0], name))
        except RetryLater as error:
            if reason(error) != "throttled":
                raise
            pace.throttled()
        else:
            pace.answered()
            left.popleft()
    return ProbeResult(tuple(replies), len(left))


def _reply(client: "PersonalizeRuntimeClient", arn: str, question: Question, name: str | None) -> Reply:
    columns: dict[str, Any] = {"metadataColumns": {"ITEMS": [name]}} if name else {}
    started = time.perf_counter()
    try:
        predicted = _call(client, question, Ask(arn, {**question.parameters, **columns}))
    except Rejected:
        if not columns:
            raise
        # A campaign that is older than the shop's items returns none of their columns.
        started = time.perf_counter()
        predicted = _call(client, question, Ask(arn, question.parameters))
    took = (time.perf_counter() - started) * 1000
    named = {item["itemId"]: next(iter((item.get("metadata") or {}).values()), "") for item in predicted.items}
    items = tuple(named)
    return Reply(question.about, items, {item: text for item, text in named.items() if text}, round(took, 2))


def _call(client: "PersonalizeRuntimeClient", question: Question, ask: Ask) -> Predicted:
    return runtime.rank(client, ask) if question.call == "rank" else runtime.recommend(client, ask)


def fault(alias: str, replies: Sequence[Reply], probe: Probe) -> str | None:
    """Return why a campaign must not serve, in plain words; None if its answers are good.

    Args:
        alias: the recipe.
        replies: the campaign's replies to `questions`.
        probe: the shop's settings.
    """
    empty = sum(not reply.items for reply in replies)
    if empty:
        return f"{empty} of {len(replies)} answers were empty"
    if alias in PERSONAL and len(replies) >= _MIN_USERS and len({reply.items for reply in replies}) == 1:
        return f"all {len(replies)} shoppers got the same items in the same order"
    slow = median(reply.milliseconds for reply in replies) if replies else 0.0
    if slow > probe.latency_ms:
        return f"the median answer took {slow:.1f} ms, and the shop's settings allow {probe.latency_ms:g} ms"
    return None
