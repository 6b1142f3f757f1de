# SPDX-License-Identifier: Apache-2.0
"""The round that deletes users: jobs that are through are closed, and what waits goes into the next one.

Every step can be made again: a batch's job is named after its content, a request stays until its job is through.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from personalization import erasures, leases, releases
from personalization.aws import files, forgetting, records, shopper_events
from personalization.aws.deletion_jobs import DeletionJobs
from personalization.aws.erasure_requests import THREADS, Requests
from personalization.environment import Environment
from personalization.erasures import Request, Shop
from personalization.errors import PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Round:
    """What a round did, in users; and the shops in which it, or a job, failed."""

    sent: int = 0
    gone: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    """Shop and reason."""

    def plus(self, other: "Round") -> "Round":
        """Both together."""
        return Round(self.sent + other.sent, self.gone + other.gone, self.failed + other.failed)


class Eraser:
    """What the round works with.

    Args:
        jobs: data deletion jobs.
        dynamodb, s3: where the shops, the requests and the files are.
        environment: what the template says.
        now: epoch seconds at the beginning of the round.
    """

    def __init__(
        self, jobs: DeletionJobs, dynamodb: "DynamoDBClient", s3: "S3Client", environment: Environment, now: int
    ) -> None:
        self._jobs = jobs
        self._dynamodb = dynamodb
        self._s3 = s3
        self._environment = environment
        self._now = now

    def round(self, late: Callable[[], bool]) -> Round:
        """Look after every shop; one that fails does not stop the others, nor take their time every hour.

        Args:
            late: tells when there is no time left to rewrite files.
        """
        result = Round()
        shops = list(_shops(self._dynamodb, self._environment.table))
        first = self._now // _HOUR % max(len(shops), 1)
        for shop in shops[first:] + shops[:first]:
            try:
                result = result.plus(self._shop(shop, late))
            except PersonalizationError as error:
                result = result.plus(Round(failed=((shop.name, str(error)),)))
        return result

    def _shop(self, shop: Shop, late: Callable[[], bool]) -> Round:
        requests = Requests(self._dynamodb, self._environment.shopper_events_table, shop.name, self._now)
        every = sorted(requests.all(), key=lambda each: each.job)
        free = [each for each in every if not each.job]
        result, busy = Round(), False
        for job, some in groupby((each for each in every if each.job), key=lambda each: each.job):
            state, batch = self._jobs.progress(job), list(some)
            if state == "under way":
                busy = True
                if shop.led and not batch[0].met:
                    requests.met(batch[0])
            elif state == "done":
                free += self._again(requests, shop, batch)
                through = [each for each in batch if not shop.needs_another(each, batch)]
                free += self._closed(requests, shop.name, through, late)
                result = result.plus(Round(gone=len(through)))
            else:
                free += [requests.freed(each, failed=True) for each in batch]
                result = result.plus(Round(failed=((shop.name, "a data deletion job failed"),)))
        batch = [] if busy else erasures.next_batch(free, self._now, led=shop.led)
        if batch:
            requests.sent(batch, self._sent(shop, batch))
        return result.plus(Round(sent=len(batch)))

    def _again(self, requests: Requests, shop: Shop, batch: Sequence[Request]) -> list[Request]:
        """Those of a batch whose job is through that need another one."""
        files.remove(self._s3, self._environment.bucket, erasures.key(shop.name, batch[0].job.rpartition("/")[2]))
        return [requests.freed(each, again=True) for each in batch if shop.needs_another(each, batch)]

    def _closed(
        self, requests: Requests, shop: str, through: Sequence[Request], late: Callable[[], bool]
    ) -> list[Request]:
        """Forget users whom Personalize has forgotten; returns those who were asked for again meanwhile."""
        if not through:
            return []
        users = {each.user for each in through}
        forgetting.forget(self._s3, self._environment.bucket, shop, users, late)
        return [requests.freed(replace(each, jobs=0)) for each in through if not requests.closed(each)]

    def _sent(self, shop: Shop, batch: Sequence[Request]) -> str:
        """Forget what the table has of the users, and have Personalize delete them; returns the job's ARN."""
        table = self._environment.shopper_events_table
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda each: shopper_events.forget(self._dynamodb, table, shop.name, each.user), batch))
        name = self._environment.names.shop(shop.name, "erase", erasures.digest(batch))
        key = erasures.key(shop.name, name)
        files.put_bytes(self._s3, self._environment.bucket, key, erasures.text(batch).encode(), "text/csv")
        return self._jobs.start(shop.group, name, key)


def _shops(client: "DynamoDBClient", table: str) -> Iterator[Shop]:
    """Every shop that serves."""
    kept = list(
        records.scanned(
            client,
            table,
            "#record IN (:release, :lease) OR begins_with(#record, :candidate)",
            names={"#record": "record"},
            values={":release": releases.RECORD, ":lease": leases.RECORD, ":candidate": releases.CANDIDATE},
            wanted="shop, #record, datasetGroupArn, promotedAt, judgedAt",
        )
    )
    led = {each["shop"] for each in kept if each["record"] == leases.RECORD}
    ran: dict[str, int] = {}
    for each in kept:
        for when in ("promotedAt", "judgedAt"):
            if when in each:
                ran[each["shop"]] = max(ran.get(each["shop"], 0), _seconds(each[when]))
    for each in kept:
        if each["record"] == releases.RECORD:
            shop = each["shop"]
            yield Shop(shop, each["datasetGroupArn"], shop in led, ran.get(shop, 0))


def _seconds(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp())
