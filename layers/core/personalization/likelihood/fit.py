# SPDX-License-Identifier: Apache-2.0
"""Fit a shop's purchase likelihood after a promotion: read the history, store the model, and take a snapshot."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from table_intake.wording import Language, Text, counted

from personalization.core import stored
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.messages import Part
from personalization.likelihood import (
    answering,
    deletions,
    histories,
    inputs,
    report,
    serve,
    serving_files,
    shards,
    snapshots,
    store,
    training,
)
from personalization.likelihood.histories import Bounds, History, TooMany
from personalization.likelihood.limits import READ_BYTES, LeftOut
from personalization.likelihood.model import Model, read_model
from personalization.likelihood.tables import Tables, tables
from personalization.personalize import runtime
from personalization.personalize.runtime import Ask
from personalization.reports import pages
from personalization.runs.claims import PREFIX, Claim
from personalization.shop.records import release_store
from personalization.shop.records.release import Served
from personalization.shop.settings.likelihood import Likelihood
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client


class Run(Part):
    """An execution that promoted a release of a shop: the release's run, or another one by hand."""

    shop: str
    run: str


class FitRequest(Run):
    """Fit a shop's likelihood after a promotion."""

    step: Literal["fit"]


class Fitted(Part):
    """The outcome of a fit."""

    outcome: Literal["fitted", "refused", "leftOut", "off", "inShards"]
    """`inShards`: one function cannot hold the history, so the state machine goes on with shards of it."""
    reason: str = ""
    report: str = ""
    """The key of its page."""
    method: Literal["counts", "anchored", ""] = ""


_RANKING = "personalized-ranking"
_GZIP = "application/gzip"


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of the bucket, the tables and the ranking campaign."""

    s3: "S3Client"
    table: "DynamoDBClient"
    runtime: "PersonalizeRuntimeClient"


def fit(aws: Clients, request: FitRequest, environment: Environment, now: datetime) -> Fitted:
    """Fit and store; a repetition for the same run does the same again.

    The outcome is `refused` where data are missing, and `inShards` where the history exceeds the memory.

    Raises:
        RetryLater, LimitReached, Rejected, Broken: as in `aws.errors.Translating`. The previous fit continues to serve.
    """
    chosen = shop_settings(aws.s3, environment.bucket, request.shop).likelihood
    if not chosen.enabled:
        return Fitted(outcome="off", reason="the shop's settings switch it off")
    return Job(aws, request, environment, now).run(chosen)


@dataclass(frozen=True, slots=True)
class Job:
    """A fit of a run, and what its kinds have in common."""

    aws: Clients
    request: Run
    environment: Environment
    now: datetime

    def run(self, chosen: Likelihood) -> Fitted:
        reach, read = training.reach(chosen.horizon_days), self.inputs(chosen)
        most = histories.most_rows(self.environment.megabytes, self.environment.fit_rows)
        if (size := read.size) > READ_BYTES:
            return Fitted(outcome="inShards", reason=f"the history has {size:,} bytes")
        try:
            past = training.without_stragglers(read.history(Bounds(reach, most)), chosen.horizon_days)
        except TooMany as too_many:
            return Fitted(outcome="inShards", reason=f"the history has at least {counted(too_many.rows, 'row')}")
        try:
            fitted = training.fit(past, chosen.horizon_days, past.end + 1)
        except training.TooLittle as missing:
            return self.refused(str(missing))
        table = tables(past, past.end + 1)
        model = serving_files.model(
            table,
            fitted,
            self.request.run,
            fitted_at=self.at,
            horizon_days=chosen.horizon_days,
            event_type=chosen.event_type,
        )
        model, scores = self.with_scores(table, model, past)
        self._store(table, model)
        serves = self.record(self.now.timestamp())
        if serves:
            # Last, since it takes as long as the fit, and answers need not wait.
            scores = {**scores, **self.take_snapshot(table, fitted, model)}
            self._leave_out_deleted(self.now.timestamp())
        return self.done(
            report.document(self.request.shop, model, fitted, report.of_history(past), scores), serves=serves
        )

    def refused(self, missing: str) -> Fitted:
        """Record that data are missing."""
        serving = self.records.refused(missing, self.at)
        return Fitted(outcome="refused", reason=f"{missing}{_still_serving(serving)}")

    def left_out(self, left: LeftOut) -> Fitted:
        """Record and report that the history is too large."""
        # A retry would not help, and the release serves without a likelihood.
        serving = self.records.refused(left.reason, self.at, left_out=True)
        page = self.report(report.left_out(self.request.shop, self.request.run, self.at, left, serving))
        return Fitted(outcome="leftOut", reason=f"{left.reason}{_still_serving(serving)}", report=page)

    def done(self, document: Mapping[str, Any], *, serves: bool) -> Fitted:
        """Report a fit, and whether it serves."""
        page = self.report(document)
        if not serves:
            return Fitted(outcome="refused", reason="a fit of a later run serves already", report=page)
        return Fitted(outcome="fitted", report=page, method=document["method"])

    def inputs(self, chosen: Likelihood) -> store.Inputs:
        """Write the newest live events, and return the files that a fit reads."""
        s3, table, shop, now = self.aws.s3, self.aws.table, self.request.shop, int(self.now.timestamp())
        claims = [
            Claim.read(record) for record in release_store.query_prefix(table, self.environment.table, shop, PREFIX)
        ]
        began = store.began_at(claims, self.records.promotions().values())
        store.add_live_events(s3, table, self.environment, shop=shop, began=began, now=now)
        sizes = dict(objects.list_sizes(s3, self.bucket, inputs.folder(shop)))
        oldest = now - training.reach(chosen.horizon_days)
        files = inputs.choose(sizes, inputs.import_outcomes(claims), self.request.run, oldest)
        return store.Inputs(s3=s3, bucket=self.bucket, files=files, event_type=chosen.event_type, now=now, sizes=sizes)

    @property
    def records(self) -> store.Records:
        return store.Records(self.aws.table, self.environment.table, self.request.shop, self.request.run)

    @property
    def at(self) -> str:
        return answering.iso(int(self.now.timestamp()))

    @property
    def bucket(self) -> str:
        return self.environment.bucket

    def put(self, key: str, data: bytes) -> None:
        objects.put_bytes(self.aws.s3, self.bucket, key, data, _GZIP)

    def report(self, document: Mapping[str, Any]) -> str:
        """Write the report and its page beside the release's, and return the page's key."""
        key = f"reports/{self.request.shop}/{self.records.release()}/likelihood"
        language: Language = "en"
        # Settings that somebody breaks meanwhile must not fail a fit that serves.
        with suppress(Rejected):
            language = shop_settings(self.aws.s3, self.bucket, self.request.shop).language
        document = pages.with_codes({"language": language, **document})
        return objects.put_report(self.aws.s3, self.bucket, key, document, report.page(document))

    def _campaign(self) -> Served | None:
        release = release_store.release_record(self.aws.table, self.environment.table, self.request.shop)
        return release.campaigns.get(_RANKING) if release else None

    def with_scores(self, table: Tables, model: Model, past: History) -> tuple[Model, Mapping[str, Any]]:
        """Return the model combined with the ranking campaign's scores, as far as older snapshots support it.

        `past` has all events of these snapshots' users.
        """
        earlier, campaign = self._snapshots(past), self._campaign()
        if campaign is None:
            return model, {"decision": "no ranking campaign", "snapshots": len(earlier)}
        anchored, facts = snapshots.combine(earlier, campaign.solution_version_arn)
        before = earlier[-1]["anchors"] if earlier else ()
        return replace(model, anchored=anchored, anchors=tuple(snapshots.anchors(table, before))), facts

    def take_snapshot(self, table: Tables, fitted: training.Fit, model: Model) -> Mapping[str, str]:
        """Store the campaign's scores of a new sample of pairs; say in words whether that succeeded."""
        campaign = self._campaign()
        if campaign is None:
            return {}
        facts = {
            "run": self.request.run,
            "campaignArn": campaign.arn,
            "solutionVersionArn": campaign.solution_version_arn,
            "at": table.at,
            "horizonDays": model.horizon_days,
            "anchors": list(model.anchors),
        }
        try:
            scored = [self._scored(campaign.arn, pairs, table, model) for pairs in snapshots.sample(table, model.at)]
            document = snapshots.snapshot(table, fitted.formulas, scored, facts)
            self.put(self._snapshot_key, shards.pack(document))
        except PersonalizationError as error:
            return {"snapshot": Text("snapshot.not-taken", "not taken: {reason}", reason=error.reason)}
        text = "taken: {pairs:,} {pairs:pair|pairs}"
        return {"snapshot": Text("snapshot.taken", text, pairs=len(document["users"]))}

    @property
    def _snapshot_key(self) -> str:
        return f"{inputs.snapshots(self.request.shop)}{self.request.run}.json.gz"

    def _scored(
        self, campaign_arn: str, pairs: snapshots.Pairs, table: Tables, model: Model
    ) -> tuple[snapshots.Pairs, Mapping[str, float]]:
        items = [table.history.items[item] for item in pairs.items.tolist()]
        parameters = answering.ranking_parameters(table.history.users[pairs.user], items, model.anchors)
        predicted = runtime.rank(self.aws.runtime, Ask(campaign_arn, parameters))
        return pairs, answering.anchored_scores(predicted, items, model.anchors)

    def waiting_users(self) -> set[str]:
        """Return the users of snapshots without labels."""
        keys = objects.list_keys(self.aws.s3, self.bucket, inputs.snapshots(self.request.shop))
        stored = (objects.get_bytes(self.aws.s3, self.bucket, key) for key in keys if key != self._snapshot_key)
        snapshots_stored = (shards.unpack(data) for data in stored if data is not None)
        return {user for snapshot in snapshots_stored if snapshot["labels"] is None for user in snapshot["users"]}

    def _snapshots(self, past: History) -> list[snapshots.Snapshot]:
        """Return the stored snapshots of earlier runs, oldest first, labelled where the history reaches far enough."""
        stored_snapshots: list[snapshots.Snapshot] = []
        for key in objects.list_keys(self.aws.s3, self.bucket, inputs.snapshots(self.request.shop)):
            data = objects.get_bytes(self.aws.s3, self.bucket, key) if key != self._snapshot_key else None
            if data is None:
                continue
            snapshot: snapshots.Snapshot = shards.unpack(data)
            if snapshot.get("version") != stored.VERSION:
                raise stored.refused(snapshot, key, "delete it")
            if snapshot["labels"] is None and (labelled := snapshots.labelled(snapshot, past)) is not None:
                snapshot = labelled
                self.put(key, shards.pack(snapshot))
            stored_snapshots.append({**snapshot, "key": key})
        stored_snapshots.sort(key=lambda snapshot: int(snapshot["at"]))
        store.delete(
            self.aws.s3,
            self.bucket,
            [str(snapshot["key"]) for snapshot in stored_snapshots[: -snapshots.MOST_SNAPSHOTS]],
        )
        return stored_snapshots[-snapshots.MOST_SNAPSHOTS :]

    def _store(self, table: Tables, model: Model) -> None:
        """Write the counters, then the model that refers to them."""
        self.store_items(table, model)
        self.store_users(table, model)
        self.store_model(model)

    @property
    def _model_key(self) -> str:
        return f"{shards.folder(self.request.shop, self.request.run)}model.json.gz"

    def store_model(self, model: Model) -> None:
        self.put(self._model_key, shards.pack(pages.with_codes(model.as_json())))

    def stored_model(self) -> Model:
        """Return the model of this run.

        Raises:
            Broken: there is none.
        """
        return read_model(shards.unpack(objects.required_bytes(self.aws.s3, self.bucket, self._model_key)))

    def store_items(self, table: Tables, model: Model) -> None:
        """Write the counters of items."""
        for number, data in shards.pack_shards(serving_files.items(table, model.item_shards), model.item_shards):
            self.put(shards.key(self.request.shop, self.request.run, "items", number), data)

    def store_users(self, table: Tables, model: Model, numbers: Iterable[int] | None = None) -> None:
        """Write the counters of users: the files of these numbers, or all."""
        entries = serving_files.users(table, model.shopper_shards)
        for number, data in shards.pack_shards(entries, model.shopper_shards, numbers):
            self.put(shards.key(self.request.shop, self.request.run, "shoppers", number), data)

    def record(self, began: float) -> bool:
        """Let the fit serve unless a later run's does; then delete the counters of fits before the previous one.

        Users who were deleted since it began, in epoch seconds, are left out.
        """
        self._leave_out_deleted(began)
        serving_runs = self.records.fitted(self.at)
        if serving_runs is None:
            self.discard()
            return False
        keys = objects.list_keys(self.aws.s3, self.bucket, f"likelihood/{self.request.shop}/")
        gone = [key for key in keys if inputs.run_of(key) not in {"", *serving_runs}]
        store.delete(self.aws.s3, self.bucket, gone)
        return True

    def discard(self) -> None:
        """Delete the counters of a fit that does not serve."""
        if (serve.read(self.aws.table, self.environment.table, self.request.shop) or {}).get("run") != self.request.run:
            folder = shards.folder(self.request.shop, self.request.run)
            store.delete(self.aws.s3, self.bucket, list(objects.list_keys(self.aws.s3, self.bucket, folder)))

    def _leave_out_deleted(self, began: float) -> None:
        deletions.leave_out(self.aws.s3, self.bucket, self.request.shop, self.request.run, began)


def _still_serving(serving: str | None) -> str:
    return f"; the fit of run {serving} serves on" if serving else ""
