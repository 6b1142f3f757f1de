# SPDX-License-Identifier: Apache-2.0
"""Erase users: close finished deletion jobs, and start jobs for pending requests.

Every step can be repeated: the job's name depends on the batch's content, and a request stays until its job has ended.
The erasure holds the shop's lease from before a job starts until the users are deleted here too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.aws.errors import code, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import NoRoom, PersonalizationError, Rejected, RetryLater
from personalization.core.names import is_of_engine
from personalization.core.status import ACTIVE, is_at_work
from personalization.events import erasures, store
from personalization.events.erasure_requests import THREADS, Requests
from personalization.events.erasures import Progress, Request, Shop, Version
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import forget_parts
from personalization.maintenance import forget_users
from personalization.personalize.ensure import list_recommenders
from personalization.runs import batches, concurrent_drops, leases, lifecycle
from personalization.runs.leases import Executions
from personalization.runs.store import DynamoLedger
from personalization.shop.records import dataset_groups, release, release_store
from personalization.shop.settings import settings_file
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Round:
    """The result of a round, in users; and the shops in which it, or a job, failed."""

    sent: int = 0
    gone: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    """Shop and reason."""

    def plus(self, other: "Round") -> "Round":
        return Round(self.sent + other.sent, self.gone + other.gone, self.failed + other.failed)


class DeletionJobs:
    """Data deletion jobs of both backends, and the solution versions that were trained after them."""

    def __init__(self, client: "PersonalizeClient", environment: Environment) -> None:
        self._client = client
        self._environment = environment

    def progress(self, jobs: Sequence[str]) -> Progress:
        """Return the progress of the jobs of a batch, by their ARNs."""
        return erasures.progress([self._status(job) for job in jobs])

    def _status(self, job: str) -> str | None:
        described = none_if_missing(self._client.describe_data_deletion_job, dataDeletionJobArn=job)
        return described["dataDeletionJob"]["status"] if described else None

    def has_data(self, group: str) -> bool:
        """Return whether a dataset group is there and has datasets: one of a failed move may not, and would refuse."""
        described = none_if_missing(self._client.describe_dataset_group, datasetGroupArn=group)
        if described is None or described["datasetGroup"]["status"] != ACTIVE:
            return False
        return any(True for _ in paginate(self._client.list_datasets, "datasets", datasetGroupArn=group))

    def version(self, arn: str) -> Version | None:
        """Return a solution version that serves; None if it is gone."""
        described = none_if_missing(
            lambda: self._client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        )
        if not described:
            return None
        return Version(int(described["creationDateTime"].timestamp()), described.get("trainingMode", "FULL") == "FULL")

    def beside(self, groups: Sequence[str]) -> str | None:
        """Return the ARN of something in progress that uses the groups' datasets, if there is any.

        Amazon's guide names trainings, batch jobs, imports and whatever else uses the datasets ("Deleting users and
        their data with a data deletion job"). What a stopped run began goes on without it.
        """
        return next(
            (
                str(user_of_datasets[arn])
                for group in groups
                for arn, user_of_datasets in self._users_of(group)
                if is_at_work(user_of_datasets["status"])
            ),
            None,
        )

    def _users_of(self, group: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what uses a group's datasets, each with the member that has its ARN."""
        client = self._client
        for dataset in paginate(client.list_datasets, "datasets", datasetGroupArn=group):
            arn = dataset["datasetArn"]
            for job in paginate(client.list_dataset_import_jobs, "datasetImportJobs", datasetArn=arn):
                yield "datasetImportJobArn", job
            for job in paginate(client.list_dataset_export_jobs, "datasetExportJobs", datasetArn=arn):
                yield "datasetExportJobArn", job
        listed = paginate(client.list_solutions, "solutions", datasetGroupArn=group)
        solutions = sorted(solution["solutionArn"] for solution in listed)
        for solution in solutions:
            for version in paginate(client.list_solution_versions, "solutionVersions", solutionArn=solution):
                yield "solutionVersionArn", version
        for recommender in list_recommenders(client, group):
            yield "recommenderArn", recommender
        # These lists are of the whole account on Amazon Personalize.
        if is_of_engine(group):
            return
        for job in paginate(client.list_batch_inference_jobs, "batchInferenceJobs"):
            if job["solutionVersionArn"].rpartition("/")[0] in solutions:
                yield "batchInferenceJobArn", job
        for job in paginate(client.list_batch_segment_jobs, "batchSegmentJobs"):
            if job["solutionVersionArn"].rpartition("/")[0] in solutions:
                yield "batchSegmentJobArn", job

    def start(self, group: str, name: str, key: str) -> str:
        """Start a job for the users in the file at `key`, or find the job of that name; return its ARN."""
        try:
            return self._client.create_data_deletion_job(
                jobName=name,
                datasetGroupArn=group,
                dataSource={"dataLocation": f"s3://{self._environment.bucket}/{key}"},
                roleArn=self._environment.role_arn,
            )["dataDeletionJobArn"]
        except PersonalizationError as error:
            if code(error) != "ResourceAlreadyExistsException":
                raise
        jobs = paginate(self._client.list_data_deletion_jobs, "dataDeletionJobs", datasetGroupArn=group)
        return str(next(listed for listed in jobs if listed["jobName"] == name)["dataDeletionJobArn"])


class Eraser:
    """Run the hourly round, which begins at `now` (epoch seconds)."""

    def __init__(
        self,
        jobs: DeletionJobs,
        dynamodb: "DynamoDBClient",
        s3: "S3Client",
        executions: Executions,
        environment: Environment,
        now: int,
    ) -> None:
        self._jobs = jobs
        self._dynamodb = dynamodb
        self._s3 = s3
        self._executions = executions
        self._environment = environment
        self._now = now
        self._moment = datetime.fromtimestamp(now, UTC)
        self._ledger = DynamoLedger(dynamodb, environment.table, self._moment)

    def round(self, late: Callable[[], bool]) -> Round:
        """Process every shop; a failing shop neither stops the others nor takes their time every hour.

        Args:
            late: returns whether the time to rewrite files is over.
        """
        result = Round()
        shops = list(_shops(self._dynamodb, self._environment.table))
        first = self._now // _HOUR % max(len(shops), 1)
        for shop in shops[first:] + shops[:first]:
            try:
                requests = Requests(self._dynamodb, self._environment.shopper_events_table, shop.name, self._now)
                result = result.plus(self._shop(shop, requests, late))
                self._train(shop, requests)
            except PersonalizationError as error:
                result = result.plus(Round(failed=((shop.name, str(error)),)))
        return result

    def _shop(self, shop: Shop, requests: Requests, late: Callable[[], bool]) -> Round:
        every = sorted(requests.all(), key=lambda request: request.job)
        if not every and not shop.erasing:
            return Round()
        lease = self._ledger.lease(shop.name)
        leader = lease.owner if lease and lease.purpose == "erasure" else ""
        free = [request for request in every if not request.job]
        result, busy, ended = Round(), False, False
        for _, some in groupby((request for request in every if request.job), key=lambda request: request.job):
            batch = list(some)
            state = "done" if batch[0].deleted else self._jobs.progress(batch[0].arns)
            if state == "under way":
                busy = True
                result = result.plus(self._waited(shop, batch, leader))
                continue
            ended = True
            if state == "done":
                round_of_job, again = self._ended(shop, requests, batch, leader, late)
                result, free = result.plus(round_of_job), free + again
            else:
                free += [requests.freed(request, failed=True) for request in batch]
                result = result.plus(Round(failed=((shop.name, "a data deletion job failed"),)))
        if busy:
            return result
        batch = erasures.next_batch(free, self._now)
        # Erasures and runs take turns: runs that wait for the shop follow a job.
        if not batch or (ended and leader and concurrent_drops.needs_run(self._ledger, shop.name)):
            self._make_way(shop, leader)
            return result
        return result.plus(Round(sent=self._begin(shop, requests, batch, leader)))

    def _waited(self, shop: Shop, batch: Sequence[Request], leader: str) -> Round:
        """Keep the lease while a job is in progress; release the shop's runs if the job does not end."""
        if leader and leader == batch[0].led:
            if self._now - batch[0].sent < erasures.JOB_SECONDS:
                leases.lead_to_erase(self._ledger, self._executions, shop.name, leader, self._moment)
                return Round()
            self._make_way(shop, leader)
        if self._now - batch[0].sent < erasures.JOB_SECONDS:
            return Round()
        return Round(failed=((shop.name, "a data deletion job has been running for two days"),))

    def _ended(
        self, shop: Shop, requests: Requests, batch: Sequence[Request], leader: str, late: Callable[[], bool]
    ) -> tuple[Round, list[Request]]:
        """Close a finished job; also return the requests that need another one."""
        objects.remove(self._s3, self._environment.bucket, erasures.key(shop.name, batch[0].arns[0].rpartition("/")[2]))
        another = [request for request in batch if not request.deleted and erasures.needs_another(request, leader)]
        through = [request for request in batch if request not in another]
        free = [requests.freed(request, again=True) for request in another]
        fresh = requests.deleted([request for request in through if not request.deleted])
        through = [*(request for request in through if request.deleted), *fresh]
        try:
            free += self._closed(requests, shop, through, late)
        except PersonalizationError:
            # Personalize has finished: runs need not wait for our own files.
            self._make_way(shop, leader)
            raise
        return Round(gone=len(through)), free

    def _closed(
        self, requests: Requests, shop: Shop, through: Sequence[Request], late: Callable[[], bool]
    ) -> list[Request]:
        """Forget users whom Personalize has deleted; return those requested again meanwhile."""
        if not through:
            return []
        users = {request.user for request in through}
        forget_users.forget(self._s3, self._environment.bucket, shop.name, users, late)
        units = {unit_digest(tracking_id, user) for tracking_id in shop.tracking_ids for user in users}
        DayFiles(self._s3, self._environment.bucket, shop.name).forget(units)
        forget_parts(self._s3, self._environment.bucket, shop.name)
        release_store.put_if(
            self._dynamodb,
            self._environment.table,
            {"shop": shop.name, "record": erasures.RECORD, "since": self._now},
            "attribute_not_exists(#record)",
            names={"#record": "record"},
        )
        return [requests.freed(replace(request, jobs=0)) for request in through if not requests.closed(request)]

    def _begin(self, shop: Shop, requests: Requests, batch: Sequence[Request], leader: str) -> int:
        """Start a job on each backend that has data of the shop, under its lease, or wait for the lease.

        All jobs of a batch have one name, so that a repetition finds those that started. The engine has finished before
        it answers; so where it fails, no job of Amazon Personalize is left to itself.

        Returns:
            The number of users in the jobs.
        """
        leader = leader or f"erasure-{shop.name}-{self._now}"
        if not leases.lead_to_erase(self._ledger, self._executions, shop.name, leader, self._moment):
            if erasures.has_waited(batch, self._now):
                self._ledger.reserve(shop.name, leader)
            return 0
        others = [group for group in shop.other_groups if self._jobs.has_data(group)]
        groups = sorted([shop.group, *others], key=is_of_engine, reverse=True)
        if self._batch_jobs(shop.name) or self._jobs.beside(groups):
            self._make_way(shop, leader)
            return 0
        name = self._environment.names.shop(shop.name, "erase", erasures.digest(batch, leader))
        try:
            self._forget_contents(shop)
            key = self._prepared(shop, batch, name)
        except PersonalizationError:
            self._make_way(shop, leader)
            raise
        try:
            jobs = [self._jobs.start(group, name, key) for group in groups]
        except PersonalizationError as error:
            # Without an answer the job may have started: the lease stays, and the next round finds the job by its name.
            if isinstance(error, NoRoom) or not isinstance(error, RetryLater):
                self._make_way(shop, leader)
            raise
        requests.sent(batch, erasures.joined(jobs), leader)
        return len(batch)

    def _batch_jobs(self, shop: str) -> bool:
        """Return whether a batch job of the shop is at work, and may have Personalize train or answer at any moment."""
        batch_leases = release_store.query_prefix(self._dynamodb, self._environment.table, shop, leases.BATCH)
        return any(lease["until"] > self._now for lease in batch_leases)

    def _versions(self, shop: Shop) -> Sequence[str]:
        """Return the versions that serve; those of the newest release's run where no recipe has a campaign."""
        if shop.versions:
            return shop.versions
        table = self._environment.table
        serving = release_store.release_record(self._dynamodb, table, shop.name)
        judged = release_store.judged_run(self._dynamodb, table, shop.name, serving.run) if serving else None
        return list(release.taken(judged, [serving]).values()) if judged and serving else []

    def _forget_contents(self, shop: Shop) -> None:
        """Clear the imports' contents, so that the same file is imported again after its users were deleted."""
        every = self._ledger.claims(shop.name)
        for claim in batches.newest(every):
            if claim.content and not self._ledger.move(claim, claim.replaced(content="")):
                raise RetryLater(shop.name, "a claim changed meanwhile")

    def _prepared(self, shop: Shop, batch: Sequence[Request], name: str) -> str:
        """Delete the users' records, and write the job's file; return its key."""
        table = self._environment.shopper_events_table
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda request: store.forget(self._dynamodb, table, shop.name, request.user), batch))
        key = erasures.key(shop.name, name)
        objects.put_bytes(self._s3, self._environment.bucket, key, erasures.text(batch).encode(), "text/csv")
        return key

    def _make_way(self, shop: Shop, leader: str) -> None:
        if leader:
            lifecycle.finish_erasure(self._ledger, self._executions, shop.name, leader, self._moment)

    def _train(self, shop: Shop, requests: Requests) -> None:
        """Remove deleted users from the serving models by the next run, or by a run of its own."""
        if not shop.since:
            return
        until = erasures.trained(map(self._jobs.version, self._versions(shop)))
        if until > shop.since:
            receipts = requests.untrained()
            requests.retrained(receipt for receipt, at in receipts.items() if at < until)
            left = min((at for at in receipts.values() if at >= until), default=0)
            self._owe(shop, left)
            return
        run = erasures.retraining(shop.name, shop.since, self._now, self._settings(shop).erasure.retrain_within_days)
        if run:
            self._executions.start(run, {"action": "retrain", "shop": shop.name})

    def _owe(self, shop: Shop, since: int) -> None:
        """Record since when models may contain erased users; 0 for none."""
        table = self._environment.table
        if since:
            release_store.put(self._dynamodb, table, {"shop": shop.name, "record": erasures.RECORD, "since": since})
        else:
            release_store.delete(self._dynamodb, table, shop.name, erasures.RECORD)

    def _settings(self, shop: Shop) -> ShopSettings:
        try:
            return settings_file.shop_settings(self._s3, self._environment.bucket, shop.name)
        except Rejected:
            return ShopSettings()


def _shops(client: "DynamoDBClient", table: str) -> Iterator[Shop]:
    """Iterate over the shops that serve."""
    stored = list(
        release_store.scan(
            client,
            table,
            "#record IN (:release, :lease, :erasure) OR begins_with(#record, :group) OR begins_with(#record, :history)",
            names={"#record": "record", "#purpose": "purpose", "#since": "since"},
            values={
                ":release": release.RECORD,
                ":lease": leases.RECORD,
                ":erasure": erasures.RECORD,
                ":group": dataset_groups.GROUP,
                ":history": release.HISTORY,
            },
            wanted="shop, #record, datasetGroupArn, trackingId, campaigns, #purpose, #since",
        )
    )
    erasing = {
        record["shop"] for record in stored if record["record"] == leases.RECORD and record.get("purpose") == "erasure"
    }
    since = {record["shop"]: int(record["since"]) for record in stored if record["record"] == erasures.RECORD}
    groups, tracking_ids = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for record in stored:
        if "datasetGroupArn" in record:
            groups[record["shop"]].add(record["datasetGroupArn"])
        if "trackingId" in record:
            tracking_ids[record["shop"]].add(record["trackingId"])
    for record in stored:
        if record["record"] == release.RECORD:
            shop, group = record["shop"], record["datasetGroupArn"]
            versions = tuple(str(served["solutionVersionArn"]) for served in record["campaigns"].values())
            yield Shop(
                name=shop,
                group=group,
                other_groups=tuple(groups[shop] - {group}),
                tracking_ids=tuple(tracking_ids[shop]),
                versions=versions,
                erasing=shop in erasing,
                since=since.get(shop, 0),
            )
