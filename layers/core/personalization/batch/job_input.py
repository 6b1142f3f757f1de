# SPDX-License-Identifier: Apache-2.0
"""Write the input of a batch job, and estimate its price before it costs anything."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from table_intake.read import archives
from table_intake.wording import Text
from table_intake.write import dialect

from personalization.auth.hash_key import HashKey
from personalization.batch import plan
from personalization.batch.answers import parse
from personalization.batch.plan import Job, WrittenInput
from personalization.batch.users import PARTITIONS, Distinct, column, lines_of, listed
from personalization.batch.wanted import Clients, items, wanted_items
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import Rejected, intake_translated
from personalization.core.names import backend_of
from personalization.events import erasure_requests
from personalization.ingest import sales
from personalization.likelihood import inputs
from personalization.runs.claims import PREFIX, Claim
from personalization.shop.records import item_files, release_store
from personalization.shop.settings import prices
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class WritingClients(Clients):
    """The clients of the step that writes a job's input."""

    hash_key: HashKey


@dataclass(slots=True)
class _Counts:
    lines: int = 0
    size: int = 0
    unknown: int = 0
    left_out: int = 0


def write(aws: WritingClients, job: Job, settings: ShopSettings, environment: Environment) -> WrittenInput:
    """Write a job's input. A refused one leaves nothing.

    Raises:
        Rejected: there is nothing to ask, or too much, or it is dearer than the budget.
    """
    if job.kind == "customers":
        return WrittenInput(lines=1, size=0, answers=0, dollars=0.0)
    if job.kind != "lists":
        return _segments(aws, job, settings, environment)
    counts, lines = _Counts(), _line(job)
    with objects.writing(aws.s3, environment.bucket, job.input_key) as upload:
        for input_id in _input_ids(aws, job, environment, counts):
            data = lines(input_id)
            counts.lines += 1
            counts.size += len(data)
            if counts.size > plan.MOST_BYTES:
                plan.check_size(job, counts.lines, counts.size)
            upload.write(data)
        plan.check_size(job, counts.lines, counts.size)
        estimate = prices.estimate_lists(settings.prices, counts.lines, backend_of(job.resource.arn))
        plan.check_budget(job, estimate.dollars, estimate.answers)
    return WrittenInput(
        lines=counts.lines,
        size=counts.size,
        unknown=counts.unknown,
        left_out=counts.left_out,
        answers=estimate.answers,
        dollars=estimate.dollars,
        notes=tuple(_notes(counts)),
    )


def _notes(counts: _Counts) -> Iterator[str]:
    if counts.unknown:
        text = "{users:,} of the users {users:has|have} no interactions: Personalize answers them with popular items"
        code = "batch.unknown"
        if counts.unknown == counts.lines:
            code, text = "batch.all-unknown", f"{text}, as all others who are new to it"
        yield Text(code, text, users=counts.unknown)
    if counts.left_out:
        text = "{users:,} {users:user is|users are} left out: they asked to be deleted"
        yield Text("batch.left-out", text, users=counts.left_out)


def _line(job: Job) -> Callable[[str], bytes]:
    """Return the function that writes a line of input."""
    member = "itemId" if job.settings.takes_items else "userId"
    more = {"itemList": list(job.settings.rank)} if job.settings.recipe == "personalized-ranking" else {}
    return lambda input_id: json.dumps({member: input_id, **more}, ensure_ascii=False).encode() + b"\n"


def _input_ids(aws: WritingClients, job: Job, environment: Environment, counts: _Counts) -> Iterator[str]:
    if job.settings.takes_items:
        table = item_files.table(aws.s3, environment.bucket, job.shop)
        yield from (name for name, _ in items(aws.s3, environment.bucket, job.shop, table))
        return
    leaving = erasure_requests.leaving(aws.table, environment.shopper_events_table, job.shop)
    with tempfile.TemporaryDirectory(prefix="users-") as scratch:
        with_interactions, more, wanted = (Distinct(Path(scratch) / name) for name in ("known", "more", "wanted"))
        with_interactions.add(_history(aws, job, environment, "interactions"))
        users = job.settings.users
        everybody, of_segment = users == "all", plan.source_segment(job.settings) is not None
        if everybody or of_segment:
            more.add(_history(aws, job, environment, "users"))
        if not everybody:
            wanted.add(_named(aws, job, environment.bucket))
        for number in range(PARTITIONS):
            have = with_interactions.partition(number)
            there = have | more.partition(number)
            chosen = there if everybody else wanted.partition(number)
            # A segment's export keeps users who were deleted since.
            chosen = chosen & there if of_segment else chosen
            counts.left_out += len(chosen & leaving)
            counts.unknown += len(chosen - have - leaving)
            yield from sorted(chosen - leaving)


def _history(aws: Clients, job: Job, environment: Environment, kind: Any) -> Iterator[str]:  # noqa: ANN401 - a literal
    """Yield the users of the shop's imported files of a kind, as the purchase likelihood reads them."""
    for key in _imported(aws, job, environment).read[kind]:
        with objects.reading(aws.s3, environment.bucket, key, None) as chunks:
            yield from column(chunks, dialect.records, "USER_ID")


def _imported(aws: Clients, job: Job, environment: Environment) -> inputs.Selection:
    claims = [Claim.read(row) for row in release_store.query_prefix(aws.table, environment.table, job.shop, PREFIX)]
    keys = objects.list_keys(aws.s3, environment.bucket, inputs.folder(job.shop))
    return inputs.choose(keys, inputs.import_outcomes(claims), job.release, 0)


def _named(aws: WritingClients, job: Job, bucket: str) -> Iterator[str]:
    """Yield the users of a file or of a segment."""
    users = job.settings.users
    file = None if users == "all" else users.file
    if file is not None:
        key = f"drops/{job.shop}/lists/{file}"
        ids = listed(key, _lines(aws.s3, bucket, key))
        yield from map(aws.hash_key.of(job.shop), ids) if job.hashed else ids
        return
    name = plan.source_segment(job.settings) or ""
    newest = objects.get_json(aws.s3, bucket, plan.newest(job.shop, name))
    if newest is None:
        text = "the segment {segment} was not exported yet: run it first"
        raise Rejected(f"batch.{job.name}", Text("batch.not-exported", text, segment=name))
    for key in objects.list_keys(aws.s3, bucket, str(newest["answers"])):
        for line in _lines(aws.s3, bucket, key):
            yield from parse(line).names


def _lines(s3: "S3Client", bucket: str, key: str) -> Iterator[str]:
    """Yield the lines of an object, packed in any way that drops may be."""
    if objects.size(s3, bucket, key, None) is None:
        text = "there is no such file: put it there, and run the job again"
        raise Rejected(key, Text("batch.no-file", text))
    with intake_translated(), ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="list-")))
        body = stack.enter_context(objects.reading(s3, bucket, key, None))
        yield from lines_of(key, archives.unpacked(key, archives.Peeked(body), scratch, stack))


def _unused(aws: Clients, job: Job, environment: Environment, recipe: str) -> Iterator[str]:
    """Yield notes on what was imported and Personalize does not use for segments: all that is incremental.

    See "Getting batch user segments with custom resources" in its guide.
    """
    for kind, keys in _imported(aws, job, environment).read.items():
        since, imports = inputs.after_whole(keys)
        if kind != "users" and imports:
            day = datetime.fromtimestamp(since, UTC).date()
            text = (
                f"{{recipe}} knows the file of {kind} of {{day}}, and none of the {{imports:,}} incremental ones after "
                "it, at the same price: Personalize makes segments of whole files and of live events. Drop all "
                f"{kind} as one whole file to have them count"
            )
            yield Text(f"batch.unused-{kind}", text, recipe=recipe, day=day.isoformat(), imports=imports)


def _segments(aws: Clients, job: Job, settings: ShopSettings, environment: Environment) -> WrittenInput:
    s3, bucket = aws.s3, environment.bucket
    segment = job.settings.segment
    if segment is None:
        raise Rejected(f"batch.{job.name}", "it has no segment")
    chosen = wanted_items(s3, bucket, job)
    if job.kind == "likelihood":
        return WrittenInput(lines=1, size=0, answers=segment.users, dollars=0.0)
    conditions: Iterable[Mapping[str, str]] = [{"itemId": item_id} for item_id in chosen]
    if segment.attributes:
        parts = (
            f"ITEMS.{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in segment.attributes.items()
        )
        conditions = [{"itemAttributes": " AND ".join(parts)}]
    lines = [json.dumps(condition, ensure_ascii=False).encode() + b"\n" for condition in conditions]
    newest = objects.get_json(s3, bucket, plan.newest(job.shop, job.name)) or {}
    interactions = sales.history(objects.list_keys(s3, bucket, sales.folder(job.shop)))
    trained = newest.get("release") == job.release
    users = len(lines) * segment.users
    backend = backend_of(job.resource.arn)
    estimate = prices.estimate_segments(settings.prices, users, None if trained else interactions, backend)
    plan.check_budget(job, estimate.dollars, users)
    with objects.writing(s3, bucket, job.input_key) as upload:
        upload.write(b"".join(lines))
    return WrittenInput(
        lines=len(lines),
        size=sum(map(len, lines)),
        answers=users,
        dollars=estimate.dollars,
        training_dollars=estimate.training_dollars,
        # The engine trains on all that was imported.
        notes=() if backend == "engine" else tuple(_unused(aws, job, environment, segment.recipe)),
    )
