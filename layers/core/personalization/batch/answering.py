# SPDX-License-Identifier: Apache-2.0
"""Have batch jobs answered, by the shop's backend or by the purchase likelihood's counters; train what they need."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from table_intake.wording import Text

from personalization.batch import customers, likely
from personalization.batch.plan import AnswerRequest, Cursor, Job, Progressed, SegmentRequest
from personalization.batch.wanted import Clients, wanted_items
from personalization.core import stored
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import Broken, Rejected
from personalization.core.status import ACTIVE
from personalization.engine.describing import ANSWERED
from personalization.events import erasure_requests, erasures
from personalization.likelihood import counters, serve, shards
from personalization.likelihood.counters import Item
from personalization.likelihood.model import Model, read_model
from personalization.personalize.ensure import ensured
from personalization.personalize.readiness import Stage, advance
from personalization.personalize.training import train_step
from personalization.reports import pages
from personalization.runs import leases
from personalization.shop.plan import Step, TrainRequest
from personalization.shop.records import release_store
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient

SCORE_SECONDS = 150.0
"""Seconds after which a call scores no further file of users."""
FIT_MINUTES = 45
"""Minutes after a promotion in which a segment waits for the fit that follows it."""
AT_WORK = timedelta(hours=12)
"""How long a mark holds that no look renews: longer than the pause between two looks."""
LEAVING_MINUTES = erasures.JOB_SECONDS // 60
"""How long a job waits until users are deleted."""
_GZIP = "application/gzip"


def said(aws: Clients, environment: Environment, shop: str, refused: Rejected) -> Rejected:
    """Return a refusal in the language of the shop."""
    with suppress(Rejected):
        language = shop_settings(aws.s3, environment.bucket, shop).language
        return type(refused)(refused.resource, pages.said(refused.reason, language))
    return refused


def answer(aws: Clients, request: AnswerRequest, environment: Environment, now: datetime) -> Progressed:
    """Start or find Personalize's job, or score users by the counters of the purchase likelihood."""
    job, made = request.job, request.made
    if job.kind in {"likelihood", "customers"}:
        return _Scoring(aws, job, environment).go_on(made, now)
    if waits := _held_back(aws.table, job, made, environment, now):
        return waits
    bucket_address = f"s3://{environment.bucket}/"
    parameters: dict[str, Any] = {
        "jobName": job.resource.name,
        "solutionVersionArn": job.solution_version_arn,
        "numResults": job.results,
        "jobInput": {"s3DataSource": {"path": f"{bucket_address}{job.input_key}"}},
        "jobOutput": {"s3DataDestination": {"path": f"{bucket_address}{job.output}"}},
        "roleArn": environment.role_arn,
        **({"filterArn": job.filter_arn} if job.filter_arn else {}),
        **({"batchInferenceJobConfig": {"rankingInfluence": job.influence}} if job.influence else {}),
    }
    described: dict[str, Any] = {}
    done = _progressed(advance([_stage(aws.personalize, job, parameters, described)], made.of_step()))
    reached = int(described.get(ANSWERED, 0))
    if done.ready or not reached:
        return done
    return done.replaced(more=reached > made.offset, made=done.made.replaced(offset=reached))


def train(aws: Clients, request: SegmentRequest, environment: Environment, now: datetime) -> Progressed:
    """Train a segment recipe, or find the version of the release, whichever job began it."""
    job, made = request.job, request.made
    if job.training is None:
        raise Broken(job.name, "the step needs a training of the plan")
    if waits := _held_back(aws.table, job, made, environment, now):
        return waits
    training = TrainRequest(
        steps=("solution", "solutionVersion"), plan=job.training.plan, recipe=job.training.recipe, made=made.of_step()
    )
    return _progressed(train_step(aws.personalize, training))


def _progressed(step: Step) -> Progressed:
    return Progressed(
        arn=step.arn,
        status=step.status,
        name=step.name,
        ready=step.ready,
        reason=step.reason,
        patience=step.patience,
        made=Cursor.from_step(step.made),
    )


def _held_back(
    table: "DynamoDBClient", job: Job, made: Cursor, environment: Environment, now: datetime
) -> Progressed | None:
    """Mark the job as at work, anew at each look; return its wait if it has not begun and users are being deleted.

    Personalize guarantees no deletion of users while it trains or answers. The mark comes first and the lease is read
    after it, as an erasure does it the other way round: one of them waits.
    """
    until = int((now + AT_WORK).timestamp())
    release_store.put(table, environment.table, {"shop": job.shop, "record": _mark(job), "until": until, "ttl": until})
    if made != Cursor():
        return None
    lease = release_store.get(table, environment.table, job.shop, leases.RECORD) or {}
    if lease.get("purpose") != "erasure":
        return None
    release_store.delete(table, environment.table, job.shop, _mark(job))
    return Progressed(
        arn=f"export/{job.name}", status="DELETION OF USERS AWAITED", name=job.name, patience=LEAVING_MINUTES
    )


def end(table: "DynamoDBClient", job: Job, environment: Environment) -> Progressed:
    """Take a job's mark away."""
    release_store.delete(table, environment.table, job.shop, _mark(job))
    return Progressed(arn=f"export/{job.name}", status=ACTIVE, name=job.name, ready=True)


def _mark(job: Job) -> str:
    return f"{leases.BATCH}{job.resource.name}"


def _stage(client: "PersonalizeClient", job: Job, parameters: Mapping[str, Any], described: dict[str, Any]) -> Stage:
    """Return the stage that creates Personalize's job, and describes it; `described` gets what that tells."""
    arn, segments = job.resource.arn, job.kind == "segments"

    def describe(arn: str) -> Mapping[str, Any]:
        if segments:
            described.update(client.describe_batch_segment_job(batchSegmentJobArn=arn)["batchSegmentJob"])
        else:
            described.update(client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"])
        return described

    def create() -> object:
        if segments:
            return client.create_batch_segment_job(**parameters)
        return client.create_batch_inference_job(**parameters)

    return Stage(job.resource.name, lambda _: ensured(arn, lambda: describe(arn), create), describe)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """Users scored by the fit that serves: a call takes some files of counters, and keeps what it has reached.

    A segment keeps the best users so far. Customers are written as they are scored, in a file of answers a call.
    """

    aws: Clients
    job: Job
    environment: Environment

    def go_on(self, made: Cursor, now: datetime) -> Progressed:
        fit = serve.read(self.aws.table, self.environment.table, self.job.shop) or {}
        if self._awaited(fit, now):
            return Progressed(arn=f"export/{self.job.name}", status="FIT AWAITED", name=self.job.name)
        if "run" not in fit:
            reason = fit.get("reason") or Text("batch.not-fitted", "none was fitted yet")
            text = "the shop has no purchase likelihood: {reason}"
            raise Rejected(f"batch.{self.job.name}", Text("batch.no-likelihood", text, reason=reason))
        if fit.get("version") != stored.VERSION:
            raise Rejected(f"batch.{self.job.name}", serve.OLD)
        model = read_model(self._get(f"{shards.folder(self.job.shop, str(fit['run']))}model.json.gz"))
        before = self._get(self.job.progress) if made.file else {}
        # A newer fit has other files of users: all are scored again.
        before = before if before.get("run") == model.run else {}
        # What was reached counts, since a call may be repeated whose answer was lost.
        file = int(before.get("file", 0))
        if not before or file < model.shopper_shards:
            scoring = self._customers if self.job.kind == "customers" else self._best
            file, reached = scoring(model, file, before, int(now.timestamp()))
            self._put({"run": model.run, "file": file, **reached})
        if file == model.shopper_shards:
            return Progressed(arn=f"export/{self.job.name}", status=ACTIVE, name=self.job.name, ready=True)
        status, made = f"{file} of {model.shopper_shards} scored", Cursor(file=file)
        return Progressed(arn=f"export/{self.job.name}", status=status, name=self.job.name, more=True, made=made)

    def _users(self, model: Model, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield users who stay, at least of one file, and the number of files so far, while there is time."""
        leaving = erasure_requests.leaving(self.aws.table, self.environment.shopper_events_table, self.job.shop)
        began, file = time.monotonic(), first
        while file < model.shopper_shards and (file == first or time.monotonic() - began < SCORE_SECONDS):
            users = self._get(shards.key(self.job.shop, model.run, "shoppers", file))
            file += 1
            yield file, {name: entry for name, entry in users.items() if name not in leaving}

    def _best(self, model: Model, first: int, before: Mapping[str, Any], at: int) -> tuple[int, dict[str, Any]]:
        """Score users of a segment; return the number of files that are scored, and the best users so far."""
        wanted = self._items(model, wanted_items(self.aws.s3, self.environment.bucket, self.job))
        if not wanted:
            text = "no user has bought an item with {what}, so there is nothing to predict from"
            raise Rejected(f"batch.{self.job.name}", Text("batch.nobody-bought", text, what=self._label))
        scored = [(float(score), str(user)) for score, user in before.get("best", ())]
        file = first
        for file, users in self._users(model, first):  # noqa: B007 - the last number counts
            scored = likely.best([*scored, *likely.scores(model, users, wanted, at)], self.job.results)
        if file == model.shopper_shards:
            answer = {
                "input": {"itemAttributes": self._label},
                "output": {
                    "usersList": [user for _, user in scored],
                    "scores": [score for score, _ in scored],
                    "meansWhatItSays": model.known_verdict.answer,
                },
                "error": None,
            }
            line = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
            key = f"{self.job.output}{self.job.name}.json.out"
            objects.put_bytes(self.aws.s3, self.environment.bucket, key, line, "application/x-ndjson")
        return file, {"best": scored}

    def _customers(self, model: Model, first: int, before: Mapping[str, Any], at: int) -> tuple[int, dict[str, Any]]:
        """Write rows of customers; return the number of files that are scored, and what the report says of them."""
        s3, bucket, predicted = self.aws.s3, self.environment.bucket, model.customers
        if predicted is None:
            raise Rejected(f"batch.{self.job.name}", customers.OLD)
        wanted = self.job.settings.customers.items if self.job.settings.customers else ()
        items = self._items(model, wanted)
        if unknown := [name for name in wanted if name not in items]:
            text = "the shop's last run knows no item {items}: correct the ids"
            raise Rejected(f"batch.{self.job.name}", Text("batch.no-item", text, items=", ".join(unknown)))
        file, without = first, int(before.get("withoutEvents", 0))
        # A fit's answers are not mixed with those of an earlier one that served when the job began.
        with objects.writing(s3, bucket, f"{self.job.answers(model.run)}{first:06d}.json.out") as upload:
            for file, users in self._users(model, first):  # noqa: B007 - the last number counts
                for _, row in customers.rows(model, predicted, users, items, at):
                    without += row is None
                    if row is not None:
                        upload.write(json.dumps({"customer": row}, ensure_ascii=False).encode() + b"\n")
        return file, {
            "columns": customers.columns(model, wanted),
            "withoutEvents": without,
            "judged": customers.judged(model, predicted),
        }

    @property
    def _label(self) -> str:
        segment = self.job.settings.segment
        if segment is None or segment.items:
            return ", ".join(segment.items if segment else ())
        return " AND ".join(f"{name} = {value}" for name, value in segment.attributes.items())

    def _awaited(self, fit: Mapping[str, Any], now: datetime) -> bool:
        """Return whether the fit that follows the release may still come."""
        release = release_store.release_record(self.aws.table, self.environment.table, self.job.shop)
        if release is None or ("run" in fit and fit["run"] in {self.job.release, release.promoted_by}):
            return False
        told = str(fit.get("at") or "") > release.promoted_at and "run" not in fit
        return not told and now < datetime.fromisoformat(release.promoted_at) + timedelta(minutes=FIT_MINUTES)

    def _items(self, model: Model, names: Iterable[str]) -> dict[str, Item]:
        """Return the counters of items, as far as they have any."""
        places: dict[int, list[str]] = {}
        for name in names:
            places.setdefault(shards.shard_of(name, model.item_shards), []).append(name)
        counted: dict[str, Item] = {}
        for number, some in places.items():
            stored = self._get(shards.key(self.job.shop, model.run, "items", number))
            counted |= {name: counters.item_from(stored[name]) for name in some if name in stored}
        return counted

    def _put(self, document: Mapping[str, Any]) -> None:
        objects.put_bytes(self.aws.s3, self.environment.bucket, self.job.progress, shards.pack(document), _GZIP)

    def _get(self, key: str) -> Any:  # noqa: ANN401 - any document
        data = objects.get_bytes(self.aws.s3, self.environment.bucket, key)
        if data is None:
            text = "the file is gone: a newer fit replaced it; run the job again"
            raise Rejected(key, Text("batch.fit-gone", text))
        return shards.unpack(data)
