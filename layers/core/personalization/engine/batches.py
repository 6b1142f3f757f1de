# SPDX-License-Identifier: Apache-2.0
"""Batch inference and segment jobs: a call that describes a job answers its next lines while it has time.

Each part of the answers is an object of its own, `<input>.<first byte>.out`, and the job's record has what is answered
so far. A part is stored once, before it is recorded: a call that is killed, or two at once, lose and double nothing.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization.core import disk
from personalization.core.aws import objects
from personalization.core.status import ACTIVE, FAILED
from personalization.engine import files, live, put_records, records
from personalization.engine.archive import person
from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.counting import Learned
from personalization.engine.describing import ANSWERED, datasets_of, required, schemas
from personalization.engine.feeds import Changing, Counts, PutItems
from personalization.engine.folding import archive_of
from personalization.engine.live import LiveTable
from personalization.engine.making import arn_of, change, refuse_existing
from personalization.engine.of_users import Trained, learned_at, of_user
from personalization.engine.records import Members
from personalization.engine.streamed import Streams

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from personalize_local import library

ANSWERING = "CREATE IN_PROGRESS"
SECONDS = 600.0
"""Seconds after which a call begins no further part."""
PART_SECONDS = 60.0
"""Seconds that a part takes: what a killed call loses."""
PART_BYTES = 64 << 20
"""Bytes of a part's answers at most, which a call holds in memory."""
INFERENCE, SEGMENT = "batchInferenceJob", "batchSegmentJob"
_KINDS = {INFERENCE: "batch-inference-job", SEGMENT: "batch-segment-job"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What batch jobs are answered from, and how long a call takes."""

    streams: Streams
    seconds: float = SECONDS
    part_seconds: float = PART_SECONDS
    part_bytes: int = PART_BYTES


def _create(kind: str, account: Account, parameters: Mapping[str, Any]) -> Members:
    """Check a job, and record it; calls that describe it answer it."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    version = required(account.records, "solutionVersion", parameters["solutionVersionArn"])
    if version["status"] != ACTIVE:
        raise Refused("InvalidInputException", f"{version['solutionVersionArn']} is {version['status']}.")
    recipe = version["recipeArn"].rpartition("/")[2]
    chosen = _filter(account, parameters)
    try:
        library.check_batch(parameters, recipe, segments=kind == SEGMENT, chosen=chosen)
    except library.Refused as error:
        raise Refused(error.code, error.message) from None
    arn = arn_of(account, _KINDS[kind], parameters["jobName"])
    now = account.clock()
    members = {**parameters, "datasetGroupArn": version["datasetGroupArn"], f"{kind}Arn": arn, "status": ANSWERING}
    members |= {"creationDateTime": now, "lastUpdatedDateTime": now, "_offset": 0}
    refuse_existing(account, kind, arn)
    records.create(account.records, kind, arn, members)
    return {f"{kind}Arn": arn}


def _filter(account: Account, parameters: Mapping[str, Any]) -> "library.Filter | None":
    from personalize_local import library  # noqa: PLC0415 - as above

    arn = parameters.get("filterArn")
    return library.Filter.from_json(required(account.records, "filter", arn)["_parsed"]) if arn else None


def _describe(kind: str, sources: Sources, account: Account, parameters: Mapping[str, Any]) -> Members:
    """Describe a job after its next lines are answered."""
    from personalize_local import library  # noqa: PLC0415 - as above

    arn = parameters[f"{kind}Arn"]
    job = required(account.records, kind, arn)
    if job["status"] == ANSWERING:
        until = account.clock() + sources.seconds
        try:
            with disk.scratch("batch") as scratch:
                answering = _Answering(sources=sources, account=account, kind=kind, job=job, until=until)
                answering.go_on(scratch)
        except library.Refused as error:
            change(account, kind, arn, {"status": FAILED, "failureReason": error.message})
    job = required(account.records, kind, arn)
    return {kind: {**records.shown(job), ANSWERED: job["_offset"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answering:
    sources: Sources
    account: Account
    kind: str
    job: Members
    until: float

    def go_on(self, scratch: Path) -> None:
        """Answer parts until the input or the time is over, and a line at least."""
        store, job, clock = self.sources.streams.store, self.job, self.account.clock
        source = files.located(job["jobInput"]["s3DataSource"]["path"])[1]
        target = files.located(job["jobOutput"]["s3DataDestination"]["path"])[1]
        answer = self._answerer(scratch)
        client: S3Client = store.client()
        size = objects.size(client, store.bucket(), source, None) or 0
        offset = job["_offset"]
        while offset < size:
            end, answers, reached = min(clock() + self.sources.part_seconds, self.until), io.BytesIO(), offset
            for line in _lines(objects.stream_from(client, store.bucket(), source, None, offset)):
                reached += len(line)
                if text := line.decode().strip():
                    answers.write(answer(text).encode() + b"\n")
                if clock() >= end or answers.tell() >= self.sources.part_bytes:
                    break
            key = f"{target}{source.rpartition('/')[2]}.{offset:012d}.out"
            # Of two calls at once, or one after a kill, the first part that is stored counts, to where it reaches.
            said = {"reached": str(reached)}
            stored = objects.put_first(client, store.bucket(), key, answers.getvalue(), said)
            offset = int(stored["reached"])
            self._note({"_offset": offset})
            if clock() >= self.until:
                break
        if offset >= size:
            self._note({"status": ACTIVE})

    def _note(self, members: Members) -> None:
        change(self.account, self.kind, self.job[f"{self.kind}Arn"], members)

    def _answerer(self, scratch: Path) -> Callable[[str], str]:
        from personalize_local import library  # noqa: PLC0415 - as above

        records, store = self.account.records, self.sources.streams.store
        version = required(records, "solutionVersion", self.job["solutionVersionArn"])
        datasets = list(datasets_of(records, version["datasetGroupArn"]))
        fetched = files.Disk(scratch, store).fetched
        tables = {
            dataset["datasetType"]: fetched(dataset["_folder"], but=files.UNREAD)
            for dataset in datasets
            if "_folder" in dataset and not dataset["datasetType"].startswith("ACTION")
        }
        model = library.open_model(fetched(version["_folder"]))
        return library.Batch(
            model,
            library.open_tables(tables),
            self.job,
            meanwhile=self._meanwhile(model, version, datasets),
            chosen=_filter(self.account, self.job),
            now=self.job["creationDateTime"],
        ).answer

    def _meanwhile(self, model: "library.Model", version: Members, datasets: Sequence[Members]) -> "library.Meanwhile":
        """Return what came since the training: for lists, as campaigns take it; for segments, who is left."""
        from personalize_local import library  # noqa: PLC0415 - as above

        account, streams = self.account, self.sources.streams
        group = required(account.records, "datasetGroup", version["datasetGroupArn"])
        texts, cut = schemas(account.records, datasets), live.milliseconds(group["creationDateTime"])
        trained = Trained(
            group=group["name"], learned_at=learned_at(version, datasets), cut=cut, users=texts.get("USERS", "")
        )
        table, now = LiveTable(account.dynamodb(), streams.live_table()), account.clock()
        counts = Counts(trained.group, Learned.from_json(model.notes)) if model.counts else None
        changing = Changing(items=PutItems(trained.group, texts.get("ITEMS", ""), cut), counts=counts)
        changes = changing.read_all(table, now)
        if self.kind == INFERENCE:
            return library.Meanwhile(changes=changes, user=partial(of_user, table, trained))
        first = max(cut, live.milliseconds(now - live.KEPT_SECONDS))
        users = put_records.records(table.puts_of_users(trained.group, first, live.milliseconds(now)), trained.users)
        erased = archive_of(streams.store, account, group).erased()
        return library.Meanwhile(
            changes=library.Changes(changes.since._replace(users=list(users))),
            hidden=lambda user: erased.get(person(user), -1) > trained.learned_at,
        )


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def operations(sources: Sources) -> Mapping[str, Operation]:
    """Return the operations of functions that answer batch jobs."""
    return {
        "CreateBatchInferenceJob": partial(_create, INFERENCE),
        "CreateBatchSegmentJob": partial(_create, SEGMENT),
        "DescribeBatchInferenceJob": partial(_describe, INFERENCE, sources),
        "DescribeBatchSegmentJob": partial(_describe, SEGMENT, sources),
    }
