# SPDX-License-Identifier: Apache-2.0
"""Real requests to a campaign: which ones, and whether its answers may be shown to users."""

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
"""Users and items of a sample, at most."""
LENGTH = 10
"""Items that are asked for."""
PERSONAL = ("user-personalization", "personalized-ranking")
"""Recipes whose answers differ from user to user."""
SECONDS = 200.0
"""How long one campaign is asked at most; the function has 300 seconds."""
TRIES = 6
"""Requests in a row that are throttled before the campaign is left alone."""
SLOWEST = 10.0
"""Seconds between two requests at most."""
_FEWEST = 5
"""With fewer users, equal answers may be chance."""
NOBODY = "nobody-yet"
"""A user who has never been seen: every request carries a userId, because some recipes require one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Ids of users and items that the shop's data hold."""

    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One request: whom or what it is about (for people), and its parameters."""

    about: str
    call: Call
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a campaign answered: item ids in order, the names of those that have one, and how long it took."""

    about: str
    items: tuple[str, ...]
    names: Mapping[str, str]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What a campaign answered, and how many questions it throttled to the end: of those nothing is known."""

    replies: tuple[Reply, ...]
    throttled: int = 0


class Pace:
    """How fast a campaign is asked: evenly, more slowly after it throttled, and never for longer than a function may.

    Args:
        per_second: requests a second at first.
        seconds: how long, at most.
    """

    def __init__(self, per_second: float, seconds: float = SECONDS) -> None:
        self._interval = 1 / per_second
        self._seconds = seconds
        self._began = self._last = -math.inf
        self._refused = 0

    def pause(self, now: float) -> float | None:
        """Seconds to wait before the next request, or None where no further one is to be made."""
        if self._began == -math.inf:
            self._began = now
        at = max(now, self._last + self._interval)
        if self._refused >= TRIES or at - self._began > self._seconds:
            return None
        self._last = at
        return at - now

    def throttled(self) -> None:
        """A request was throttled: go on half as fast."""
        self._refused += 1
        self._interval = min(2 * self._interval, max(SLOWEST, self._interval))

    def answered(self) -> None:
        """A request was answered."""
        self._refused = 0


def key(shop: str) -> str:
    """Where the sample of a shop is kept, which outlives the import copies."""
    return f"reports/{shop}/sample.json"


def sample(head: str) -> Sample:
    """Users and items of the beginning of an import copy, evenly spread over it.

    Args:
        head: the header and whole rows of a CSV with USER_ID and ITEM_ID; a last row that is cut off is left out.
    """
    names, *rows = list(csv_dialect.records(head.split("\n")[:-1])) or [[]]
    told = [dict(zip(names, row, strict=False)) for row in rows]
    users, items = (list(dict.fromkeys(row[name] for row in told if row.get(name))) for name in ("USER_ID", "ITEM_ID"))
    return Sample(_spread(users), _spread(items))


def _spread(ids: Sequence[str]) -> tuple[str, ...]:
    step = max(1, len(ids) // USERS)
    return tuple(ids[::step][:USERS])


def questions(alias: str, known: Sample, most: int) -> list[Question]:
    """What a campaign of a recipe is asked: for users, beside items, or once for everybody."""
    users, items = known.users[:most] or (NOBODY,), known.items[:most]
    size = {"numResults": LENGTH}
    if alias == "personalized-ranking":
        return [Question(user, "rank", {"userId": user, "inputList": list(items[:LENGTH])}) for user in users if items]
    if alias == "similar-items":
        return [Question(item, "recommend", {"userId": NOBODY, "itemId": item, **size}) for item in items]
    if alias == "user-personalization":
        return [Question(user, "recommend", {"userId": user, **size}) for user in users]
    return [Question("everybody", "recommend", {"userId": NOBODY, **size})]


def ask(
    client: "PersonalizeRuntimeClient", campaign_arn: str, questions: Sequence[Question], name: str | None, pace: Pace
) -> Asked:
    """Ask a campaign, one question after the other, no faster than the pace.

    A question that is throttled is asked again, more slowly. Questions that stay throttled are left open.

    Args:
        client: recommendations.
        campaign_arn: the campaign.
        questions: what to ask.
        name: the column of Items that names an item, if there is one.
        pace: how fast, and for how long.

    Raises:
        RetryLater, Rejected, Broken: as `translate_errors` says, but for throttling.
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
    return Asked(tuple(replies), len(left))


def _reply(client: "PersonalizeRuntimeClient", arn: str, question: Question, name: str | None) -> Reply:
    columns: dict[str, Any] = {"metadataColumns": {"ITEMS": [name]}} if name else {}
    started = time.perf_counter()
    try:
        predicted = _call(client, question, Ask(arn, {**question.parameters, **columns}))
    except Rejected:
        if not columns:
            raise
        # A campaign that is older than the shop's items gives no columns of them.
        started = time.perf_counter()
        predicted = _call(client, question, Ask(arn, question.parameters))
    took = (time.perf_counter() - started) * 1000
    named = {item["itemId"]: next(iter((item.get("metadata") or {}).values()), "") for item in predicted.items}
    items = tuple(named)
    return Reply(question.about, items, {item: text for item, text in named.items() if text}, round(took, 2))


def _call(client: "PersonalizeRuntimeClient", question: Question, asked: Ask) -> Predicted:
    return runtime.rank(client, asked) if question.call == "rank" else runtime.recommend(client, asked)


def fault(alias: str, replies: Sequence[Reply], probe: Probe) -> str | None:
    """Why a campaign must not serve, in plain words; None where nothing is wrong.

    Args:
        alias: the recipe.
        replies: what the campaign answered to `questions`.
        probe: the shop's settings.
    """
    empty = sum(not reply.items for reply in replies)
    if empty:
        return f"{empty} of {len(replies)} answers were empty"
    if alias in PERSONAL and len(replies) >= _FEWEST and len({reply.items for reply in replies}) == 1:
        return f"all {len(replies)} shoppers got the same items in the same order"
    slow = median(reply.milliseconds for reply in replies) if replies else 0.0
    if slow > probe.latency_ms:
        return f"the median answer took {slow:.1f} ms, and the shop's settings allow {probe.latency_ms:g} ms"
    return None
