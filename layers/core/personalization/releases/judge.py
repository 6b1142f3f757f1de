# SPDX-License-Identifier: Apache-2.0
"""Judge what a run trained, probe what was promoted, write the report, and find earlier versions."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import Broken, PersonalizationError, Rejected
from personalization.core.names import dataset_arn
from personalization.personalize import ensure, training
from personalization.releases import gate, verdicts
from personalization.releases import probe as probing
from personalization.releases import report as release_report
from personalization.releases.gate import Judgement, Measured
from personalization.releases.held_out import judging as heldout_judging
from personalization.releases.messages import (
    JudgeRequest,
    Overridden,
    OverrideRequest,
    ProbeRequest,
    ReportRequest,
    RollbackRequest,
)
from personalization.releases.probe import Pace, ProbeResult, Reply, Sample
from personalization.releases.verdicts import Target, Trained, Verdict
from personalization.shop import item_files, item_table, records
from personalization.shop.item_table import ShownItems, fetch
from personalization.shop.plan import Plan
from personalization.shop.release import CANDIDATE, HISTORY, RECORD, Record, Value, release_before, versions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client

_LOOK_SECONDS = 20.0
"""How long a report may look up names."""
HEAD_BYTES = 1 << 20
"""Bytes of an import copy that the sample of users and items comes from."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The AWS clients of the judging steps."""

    personalize: "PersonalizeClient"
    runtime: "PersonalizeRuntimeClient"
    table: "DynamoDBClient"
    s3: "S3Client"


@dataclass(frozen=True, slots=True)
class ReportLocation:
    """The location of a run's report."""

    bucket: str
    shop: str
    run: str

    def key(self, file: str) -> str:
        """Return the key of one file of the report."""
        return f"reports/{self.shop}/{self.run}/{file}"

    @property
    def sample(self) -> str:
        """The key of the shop's sample of users and items, which outlives the import copies."""
        return probing.key(self.shop)


def judge(aws: Clients, request: JudgeRequest, environment: Environment, now: datetime) -> Verdict:
    """Judge what a run trained, store it for an override, and write the first part of the report."""
    plan, place = request.plan, ReportLocation(environment.bucket, request.plan.shop, request.plan.run)
    release = records.get(aws.table, environment.table, plan.shop, RECORD)
    arns = {each.alias: each.solution_version_arn for each in request.trained}
    serving = {alias: arn for alias, arn in versions(release).items() if alias in arns} if release else {}
    compared = {alias: (arn, verdicts.baseline(alias, release or {})) for alias, arn in serving.items()}
    popularity = verdicts.measure(plan, request.trained, release)
    compared_arns = dict.fromkeys([*arns.values(), popularity, *chain(*compared.values())])
    metrics = training.solution_metrics(aws.personalize, [each for each in compared_arns if each])
    new = {alias: Measured(metrics.get(arn), metrics.get(popularity or "")) for alias, arn in arns.items()}
    old = {alias: Measured(metrics.get(arn), metrics.get(before or "")) for alias, (arn, before) in compared.items()}
    each = [gate.judge(alias, plan.gate, new[alias], old.get(alias)) for alias in arns]
    judged = gate.judge_release([heldout_judging.combine(one, request.held_out) for one in each])
    verdict = verdicts.of_judgements(plan, request.trained, judged, release, request.held_out)
    _keep(aws.table, environment.table, request, judged, now)
    known = _sample(aws.s3, place, plan)
    before = _lists(aws, place, plan, release, known, environment.probe_rate)
    document = release_report.document(verdict, judged, new, old, now)
    if request.held_out.report:
        document["heldOut"] = objects.get_json(aws.s3, place.bucket, request.held_out.report)
    objects.put_json(aws.s3, place.bucket, place.key("parts/judged.json"), document | {"before": before})
    _write(aws.s3, place, {**document, "before": before}, {})
    return verdict


def override(table: "DynamoDBClient", request: OverrideRequest, environment: Environment) -> Overridden:
    """Return the refused versions of a run, to be promoted by hand.

    Raises:
        Rejected: there is no such run, or none of its versions was refused.
    """
    shop, name = request.shop, environment.table
    if request.wanted:
        found = records.get(table, name, shop, f"{CANDIDATE}{request.wanted}")
        candidates = [found] if found else []
    else:
        candidates = [each for each in records.query_prefix(table, name, shop, CANDIDATE) if each["refused"]]
    if not candidates:
        raise Rejected(shop, f"run {request.wanted} was not judged" if request.wanted else "no run of it was refused")
    newest = max(candidates, key=lambda each: str(each["judgedAt"]))
    # The settings may since have enabled a campaign that the run did not plan.
    plan = Plan.read(json.loads(newest["plan"])).model_copy(update={"unused": ()})
    trained = [Trained(alias=alias, solution_version_arn=arn) for alias, arn in newest["versions"].items()]
    release = records.get(table, name, shop, RECORD)
    return Overridden(verdict=verdicts.of_override(plan, trained, newest["refused"], release), plan=plan)


def rollback(table: "DynamoDBClient", request: RollbackRequest, environment: Environment) -> Verdict:
    """Return to the release before the one that serves.

    Raises:
        Rejected: there is none.
    """
    release = records.get(table, environment.table, request.shop, RECORD)
    earlier = records.query_prefix(table, environment.table, request.shop, HISTORY)
    previous = release_before(release, earlier, request.shop)
    return verdicts.of_rollback(request.shop, release or {}, previous)


def probe(aws: Clients, request: ProbeRequest, environment: Environment) -> ProbeResult:
    """Probe an updated campaign with real requests.

    Throttling is no fault of the answers: Personalize scales a campaign up with a delay.

    Raises:
        Broken: its answers must not be shown; the reason says why.
        RetryLater: it does not answer.
    """
    verdict, target = request.verdict, request.target
    place = ReportLocation(environment.bucket, verdict.shop, verdict.run)
    result = _probe_campaign(aws, place, verdict, target, environment.probe_rate)
    replies = result.replies
    found = probing.fault(target.alias, replies, verdict.probe)
    # A rollback leaves the earlier release's report as it was.
    reported = verdict.restore is None
    if reported:
        part = {"lists": [_reply_json(reply) for reply in replies], "fault": found, "throttled": result.throttled}
        objects.put_json(aws.s3, place.bucket, place.key(f"parts/{target.alias}.json"), part)
    if found and verdict.probe.enabled:
        if reported:
            _refresh(aws.s3, place, verdict, outcome="rolled back", reason=f"{target.alias}: {found}")
        raise Broken(target.campaign.name, f"the probe failed: {found}")
    return result


def report(s3: "S3Client", request: ReportRequest, environment: Environment) -> dict[str, object]:
    """Complete the report of a promoted release; return its key."""
    verdict = request.verdict
    place = ReportLocation(environment.bucket, verdict.shop, verdict.run)
    _refresh(s3, place, verdict, outcome=verdict.outcome, reason=verdict.reason)
    return {"report": place.key("release.html")}


def _keep(
    table: "DynamoDBClient", name: str, request: JudgeRequest, judged: Sequence[Judgement], now: datetime
) -> None:
    plan = request.plan
    record: dict[str, Value] = {
        "shop": plan.shop,
        "record": f"{CANDIDATE}{plan.run}",
        "run": plan.run,
        "judgedAt": now.isoformat(timespec="milliseconds"),
        "plan": json.dumps(plan.as_json()),
        "versions": {each.alias: each.solution_version_arn for each in request.trained},
        "refused": [each.alias for each in judged if each.decision == "refused"],
    }
    records.put(table, name, record)


def _sample(s3: "S3Client", place: ReportLocation, plan: Plan) -> Sample:
    """Return users and items of the import, or else the sample of the earlier one."""
    folder = plan.import_job.data_location.partition(f"s3://{place.bucket}/")[2]
    known = probing.sample(objects.head_of_folder(s3, place.bucket, folder, HEAD_BYTES)) if folder else Sample()
    if known.users:
        objects.put_json(s3, place.bucket, place.sample, asdict(known))
    return known if known.users else _sample_of_before(s3, place)


def _sample_of_before(s3: "S3Client", place: ReportLocation) -> Sample:
    kept = objects.get_json(s3, place.bucket, place.sample) or {}
    return Sample(tuple(kept.get("users", ())), tuple(kept.get("items", ())))


def _lists(
    aws: Clients, place: ReportLocation, plan: Plan, release: Record | None, known: Sample, rate: float
) -> dict[str, list[dict[str, Any]]]:
    """Return the serving campaigns' answers to the sample, asked in parallel; campaigns without an answer are left
    out."""
    if release is None or not release["campaigns"]:
        return {}
    name = _name_column(aws, place, plan.dataset_group.arn)

    def of(entry: tuple[str, Record]) -> tuple[str, list[dict[str, Any]]] | None:
        alias, campaign = entry
        questions = probing.questions(alias, known, plan.probe.requests)
        try:
            pace = Pace(rate * training.throughput(aws.personalize, campaign["arn"]))
            replies = probing.ask(aws.runtime, campaign["arn"], questions, name, pace).replies
        except PersonalizationError:
            return None
        return (alias, [_reply_json(reply) for reply in replies]) if replies else None

    with ThreadPoolExecutor(len(release["campaigns"])) as pool:
        return dict(each for each in pool.map(of, release["campaigns"].items()) if each)


def _probe_campaign(aws: Clients, place: ReportLocation, verdict: Verdict, target: Target, rate: float) -> ProbeResult:
    questions = probing.questions(target.alias, _sample_of_before(aws.s3, place), verdict.probe.requests)
    pace = Pace(rate * training.throughput(aws.personalize, target.campaign.arn))
    name = _name_column(aws, place, verdict.dataset_group_arn)
    return probing.ask(aws.runtime, target.campaign.arn, questions, name, pace)


def _name_column(aws: Clients, place: ReportLocation, group_arn: str) -> str | None:
    """Return the column of Items to request from a campaign; None if the table of items has it free of charge."""
    if _item_table(aws.s3, place) is not None:
        return None
    schema = ensure.dataset_schema(aws.personalize, "items", dataset_arn(group_arn, "ITEMS"))
    return release_report.name_column(schema.metadata_columns(100)) if schema else None


def _reply_json(reply: Reply) -> dict[str, Any]:
    return {"about": reply.about, "items": list(reply.items), "names": dict(reply.names), "ms": reply.milliseconds}


def _refresh(s3: "S3Client", place: ReportLocation, verdict: Verdict, *, outcome: str, reason: str) -> None:
    """Write the report of a run again with its campaigns' current answers."""
    judged = objects.get_json(s3, place.bucket, place.key("parts/judged.json"))
    if judged is None:
        # The release is older than reports are.
        return
    aliases = [each["alias"] for each in judged["recipes"]]
    parts = {alias: objects.get_json(s3, place.bucket, place.key(f"parts/{alias}.json")) for alias in aliases}
    promoted = {target.alias for target in verdict.targets}
    after = {alias: part["lists"] for alias, part in parts.items() if part and alias in promoted}
    _write(s3, place, judged | {"outcome": outcome, "reason": reason}, after)


def _write(s3: "S3Client", place: ReportLocation, document: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    completed = {**release_report.with_lists(document, after), "pages": _pages(s3, place)}
    _name(s3, place, completed)
    objects.put_json(s3, place.bucket, place.key("release.json"), completed)
    objects.put_text(s3, place.bucket, place.key("release.html"), release_report.page(completed))


def _item_table(s3: "S3Client", place: ReportLocation) -> item_table.Table | None:
    """Return the shop's table of items if it can be read; a judgement never waits for it."""
    with suppress(PersonalizationError):
        return item_files.table(s3, place.bucket, place.shop)
    return None


def _name(s3: "S3Client", place: ReportLocation, document: Mapping[str, Any]) -> None:
    """Add names from the table of items where campaigns gave none."""
    table = _item_table(s3, place)
    column = release_report.name_column(table.columns) if table else None
    pairs = [pair for each in document["lists"].values() for pair in each]
    items = [
        item for pair in pairs for some in (pair["before"], pair["after"]) for item in some or () if not item["name"]
    ]
    if column is None or not items:
        return
    shown = ShownItems(fetch(lambda: s3, lambda: place.bucket))
    known = shown.find(place.shop, [item["itemId"] for item in items], (column,), _LOOK_SECONDS)
    for item in items:
        item["name"] = known.get(item["itemId"], {}).get(column, "")


def _pages(s3: "S3Client", place: ReportLocation) -> list[str]:
    """Return the names of the run's other pages."""
    keys = objects.list_keys(s3, place.bucket, place.key(""))
    names = sorted(key.removeprefix(place.key("")) for key in keys if key.endswith(".html"))
    return [name for name in names if "/" not in name and name != "release.html"]
