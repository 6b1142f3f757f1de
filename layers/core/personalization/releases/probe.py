# SPDX-License-Identifier: Apache-2.0
"""Probe a campaign: send real requests, and decide whether users may see its answers."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from table_intake.wording import Text
from table_intake.write import dialect

from personalization.core.aws import objects
from personalization.core.aws.errors import reason
from personalization.core.environment import Environment
from personalization.core.errors import Broken, PersonalizationError, Rejected, RetryLater
from personalization.core.messages import Part
from personalization.core.names import dataset_arn
from personalization.personalize import ensure, runtime, training
from personalization.personalize.runtime import Ask
from personalization.releases.report import Report, item_table
from personalization.releases.verdicts import Target, Verdict
from personalization.shop.plan import Plan
from personalization.shop.records.item_table import name_column
from personalization.shop.records.release import ReleaseRecord, Served, recipe_of
from personalization.shop.settings.gate import Probe
from personalization.shop.settings.recipes import FROM_ITEM, NEXT_BEST_ACTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client

Call = Literal["recommend", "rank", "actions"]
HEAD_BYTES = 1 << 20
"""Bytes of an import copy that the sample of users and items comes from."""
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
class Clients:
    """The AWS clients of a release's steps."""

    personalize: "PersonalizeClient"
    runtime: "PersonalizeRuntimeClient"
    table: "DynamoDBClient"
    s3: "S3Client"


class ProbeRequest(Part):
    """Probe an updated campaign with real requests."""

    step: Literal["probe"]
    verdict: Verdict
    target: Target


@dataclass(frozen=True, slots=True)
class Sample:
    """Ids of users and items in the shop's data."""

    users: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One request: its subject in words, and its parameters."""

    subject: str
    call: Call
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A campaign's answer: item ids in order, names where known, and the latency."""

    subject: str
    items: tuple[str, ...]
    names: Mapping[str, str]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A campaign's replies, and the number of questions that stayed throttled."""

    replies: tuple[Reply, ...]
    throttled: int = 0


class Pace:
    """The pace of a probe: constant, slower after throttling, and within a number of seconds."""

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
        """Halve the pace."""
        self._refused += 1
        self._interval = min(2 * self._interval, max(MAX_PAUSE, self._interval))

    def answered(self) -> None:
        self._refused = 0


def probe(aws: Clients, request: ProbeRequest, environment: Environment) -> ProbeResult:
    """Probe an updated campaign with real requests.

    Throttling is no fault of the answers: Personalize scales a campaign up with a delay.

    Raises:
        Broken: its answers must not be shown; the reason says why.
        RetryLater: it does not answer.
    """
    verdict, target, bucket = request.verdict, request.target, environment.bucket
    recipe = recipe_of(target.alias)
    stored_sample = _stored_sample(aws.s3, bucket, verdict.shop)
    sent = questions(recipe, stored_sample, verdict.probe.requests)
    pace = Pace(environment.probe_rate * training.throughput(aws.personalize, target.campaign.arn))
    name = _name_column(aws, bucket, verdict.shop, verdict.dataset_group_arn)
    result = ask(aws.runtime, target.campaign.arn, sent, name, pace)
    problem = fault(recipe, result.replies, verdict.probe)
    # A rollback leaves the earlier release's report as it was.
    report = Report(aws.s3, bucket, verdict.shop, verdict.run) if verdict.restore is None else None
    if report:
        lists = [_reply_json(reply) for reply in result.replies]
        report.add(target.alias, {"lists": lists, "fault": problem, "throttled": result.throttled})
    if problem and verdict.probe.enabled:
        if report:
            report.refresh(verdict, "rolled back", Text.joined(": ", [target.alias, problem]))
        raise Broken(target.campaign.name, f"the probe failed: {problem}")
    return result


def ask_serving(
    aws: Clients, plan: Plan, release: ReleaseRecord | None, bucket: str, rate: float
) -> dict[str, list[dict[str, Any]]]:
    """Store a new sample of the import, and return the serving campaigns' answers to it, by recipe alias.

    Campaigns are asked in parallel, at `rate` of their throughput; those without an answer are left out.
    """
    shop = plan.shop
    folder = plan.import_job.data_location.partition(f"s3://{bucket}/")[2]
    sampled = sample(objects.head_of_folder(aws.s3, bucket, folder, HEAD_BYTES)) if folder else Sample()
    if sampled.users:
        objects.put_json(aws.s3, bucket, key(shop), asdict(sampled))
    if release is None or not release.campaigns:
        return {}
    sampled = sampled if sampled.users else _stored_sample(aws.s3, bucket, shop)
    name = _name_column(aws, bucket, shop, plan.dataset_group.arn)

    def answers(entry: tuple[str, Served]) -> tuple[str, list[dict[str, Any]]]:
        alias, campaign = entry
        try:
            pace = Pace(rate * training.throughput(aws.personalize, campaign.arn))
            result = ask(
                aws.runtime,
                campaign.arn,
                questions(recipe_of(alias), sampled, plan.probe.requests),
                name,
                pace,
            )
        except PersonalizationError:
            return alias, []
        return alias, [_reply_json(reply) for reply in result.replies]

    with ThreadPoolExecutor(len(release.campaigns)) as pool:
        return {alias: replies for alias, replies in pool.map(answers, release.campaigns.items()) if replies}


def _name_column(aws: Clients, bucket: str, shop: str, group_arn: str) -> str | None:
    """Return the column of Items to request from a campaign; None if the table of items has it free of charge."""
    if item_table(aws.s3, bucket, shop) is not None:
        return None
    schema = ensure.dataset_schema(aws.personalize, "items", dataset_arn(group_arn, "ITEMS"))
    return name_column(schema.metadata_columns(100)) if schema else None


def _reply_json(reply: Reply) -> dict[str, Any]:
    return {"about": reply.subject, "items": list(reply.items), "names": dict(reply.names), "ms": reply.milliseconds}


def _stored_sample(s3: "S3Client", bucket: str, shop: str) -> Sample:
    stored = objects.get_json(s3, bucket, key(shop)) or {}
    return Sample(tuple(stored.get("users", ())), tuple(stored.get("items", ())))


def key(shop: str) -> str:
    """Return the key of a shop's sample, which outlives the import copies."""
    return f"reports/{shop}/sample.json"


def sample(head: str) -> Sample:
    """Sample users and items evenly from the header and first rows of an import copy, without a truncated last row."""
    names, *rows = list(dialect.records(head.split("\n")[:-1])) or [[]]
    records = [dict(zip(names, row, strict=False)) for row in rows]
    users, items = (
        list(dict.fromkeys(row[name] for row in records if row.get(name))) for name in ("USER_ID", "ITEM_ID")
    )
    return Sample(_spread(users), _spread(items))


def _spread(ids: Sequence[str]) -> tuple[str, ...]:
    step = max(1, len(ids) // USERS)
    return tuple(ids[::step][:USERS])


def questions(alias: str, sampled: Sample, most: int) -> list[Question]:
    """Return the questions for a campaign of a recipe: by user, by item, or one for everybody."""
    users, items = sampled.users[:most] or (UNKNOWN_USER,), sampled.items[:most]
    size = {"numResults": LENGTH}
    if alias == "personalized-ranking":
        return [Question(user, "rank", {"userId": user, "inputList": list(items[:LENGTH])}) for user in users if items]
    if alias == NEXT_BEST_ACTION:
        return [Question(user, "actions", {"userId": user, **size}) for user in users]
    if alias in FROM_ITEM:
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
        client, campaign_arn: the campaign.
        name: the column of Items that names an item, if there is one.
        pace: how fast, and for how long.

    Raises:
        RetryLater, Rejected, Broken: see `aws.errors.Translating`, except throttling.
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
    calls = {"recommend": runtime.recommend, "rank": runtime.rank, "actions": runtime.recommend_actions}
    call = calls[question.call]
    columns: dict[str, Any] = {"metadataColumns": {"ITEMS": [name]}} if name and question.call != "actions" else {}
    started = time.perf_counter()
    try:
        predicted = call(client, Ask(arn, {**question.parameters, **columns}))
    except Rejected:
        if not columns:
            raise
        # A campaign that is older than the shop's items returns none of their columns.
        started = time.perf_counter()
        predicted = call(client, Ask(arn, question.parameters))
    took = (time.perf_counter() - started) * 1000
    named = {item["itemId"]: next(iter((item.get("metadata") or {}).values()), "") for item in predicted.items}
    items = tuple(named)
    return Reply(question.subject, items, {item: text for item, text in named.items() if text}, round(took, 2))


def fault(alias: str, replies: Sequence[Reply], probe: Probe) -> Text | None:
    """Return why a campaign with these replies must not serve, in plain words; None if they are good."""
    empty = sum(not reply.items for reply in replies)
    if empty:
        text = "{empty} of {all:,} {all:answer|answers} {empty:was|were} empty"
        return Text("probe.empty", text, empty=empty, all=len(replies))
    if alias in PERSONAL and len(replies) >= _MIN_USERS and len({reply.items for reply in replies}) == 1:
        text = "all {users:,} {users:user|users} got the same items in the same order"
        return Text("probe.same", text, users=len(replies))
    slow = median(reply.milliseconds for reply in replies) if replies else 0.0
    if slow > probe.latency_ms:
        text = "the median answer took {slow:.1f} ms, and the shop's settings allow {most:g} ms"
        return Text("probe.slow", text, slow=slow, most=probe.latency_ms)
    return None
