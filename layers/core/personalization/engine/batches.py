# SPDX-License-Identifier: Apache-2.0
"""Batch inference and segment jobs: a call that describes a job answers some of its lines while it has time.

The input is divided into stretches of equal size, so that calls may be at work side by side: each takes one that is
not answered, and then another. Each part of a stretch's answers is an object of its own, `<input>.<first byte>.out`,
which says where the next one begins, and is stored once. So a call that is killed, or two at the same stretch, lose and
double nothing; no call has to know of the others.
"""

import io
import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization.core import disk
from personalization.core.aws import objects
from personalization.core.aws.pagination import paginate
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
STRETCHES = 64
"""Into how many stretches a large input is divided, so that calls seldom meet at the same one."""
STRETCH_BYTES = 4 << 10
"""Bytes of a stretch at least: some hundred users."""
READERS = 8
"""How many users are read from the table of what came at a time."""
AHEAD = 32
"""By how many lines users are read before they are answered."""
INFERENCE, SEGMENT = "batchInferenceJob", "batchSegmentJob"
_KINDS = {INFERENCE: "batch-inference-job", SEGMENT: "batch-segment-job"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What batch jobs are answered from, and how long a call takes."""

    streams: Streams
    seconds: float = SECONDS
    part_seconds: float = PART_SECONDS
    part_bytes: int = PART_BYTES
    stretches: int = STRETCHES
    stretch_bytes: int = STRETCH_BYTES
    choose: Callable[[Sequence[int]], int] = random.choice
    """Chooses the next stretch by its first byte."""


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
        """Answer stretches until all are answered or the time is over, and a part at least."""
        store, job = self.sources.streams.store, self.job
        source, target = (
            files.located(job[member][where]["path"])[1]
            for member, where in (("jobInput", "s3DataSource"), ("jobOutput", "s3DataDestination"))
        )
        client: S3Client = store.client()
        size = objects.size(client, store.bucket(), source, None) or 0
        text = _Input(
            client=client,
            bucket=store.bucket(),
            key=source,
            parts=f"{target}{source.rpartition('/')[2]}.",
            size=size,
            stretch=max(-(-size // self.sources.stretches), self.sources.stretch_bytes),
        )
        with ThreadPoolExecutor(READERS) as pool:
            users = _Ahead(pool)
            answer = self._answerer(scratch, users)
            reached = text.reached()
            while left := text.unanswered(reached):
                first = self.sources.choose(left)
                reached[first] = self._stretch(text, first, reached[first], answer, users)
                # Other calls have been at work meanwhile.
                reached = {start: max(end, reached[start]) for start, end in text.reached().items()}
                if self.account.clock() >= self.until:
                    break
        self._note({"_offset": sum(end - start for start, end in reached.items())})
        if not text.unanswered(reached):
            self._note({"status": ACTIVE})

    def _stretch(self, text: "_Input", first: int, begin: int, answer: Callable[[str], str], users: "_Ahead") -> int:
        """Answer a stretch from a byte on until its end or the time is over; return the byte that is reached."""
        clock, reached = self.account.clock, begin
        while reached < text.end(first):
            end, answers, start = min(clock() + self.sources.part_seconds, self.until), io.BytesIO(), reached
            for reached, line in users.read_ahead(text.lines(first, start)):  # noqa: B007 - the last one counts
                if line:
                    answers.write(answer(line).encode() + b"\n")
                if clock() >= end or answers.tell() >= self.sources.part_bytes:
                    break
            reached = text.store(start, answers.getvalue(), reached)
            if clock() >= self.until:
                break
        return reached

    def _note(self, members: Members) -> None:
        change(self.account, self.kind, self.job[f"{self.kind}Arn"], members)

    def _answerer(self, scratch: Path, users: "_Ahead") -> Callable[[str], str]:
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
            meanwhile=self._meanwhile(model, version, datasets, users),
            chosen=_filter(self.account, self.job),
            now=self.job["creationDateTime"],
        ).answer

    def _meanwhile(
        self, model: "library.Model", version: Members, datasets: Sequence[Members], ahead: "_Ahead"
    ) -> "library.Meanwhile":
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
            ahead.read = partial(of_user, table, trained)
            return library.Meanwhile(changes=changes, user=ahead.user)
        first = max(cut, live.milliseconds(now - live.KEPT_SECONDS))
        users = put_records.records(table.puts_of_users(trained.group, first, live.milliseconds(now)), trained.users)
        erased = archive_of(streams.store, account, group).erased()
        return library.Meanwhile(
            changes=library.Changes(changes.since._replace(users=list(users))),
            hidden=lambda user: erased.get(person(user), -1) > trained.learned_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """A job's input in stretches, and the parts of its output."""

    client: "S3Client"
    bucket: str
    key: str
    parts: str
    """The beginning of the parts' keys; the first byte of their lines follows."""
    size: int
    stretch: int
    """Bytes of a stretch, which has the lines that begin in it."""
    _reached: dict[int, int] = field(default_factory=dict)
    """What parts reach, by their first bytes."""

    def end(self, first: int) -> int:
        """Return the byte behind a stretch."""
        return min(first + self.stretch, self.size)

    def reached(self) -> dict[int, int]:
        """Return the byte from which each stretch, by its first byte, is to be answered."""
        last: dict[int, int] = {}
        # A part may be empty: its stretch has but the rest of a long line.
        for listed in paginate(self.client.list_objects_v2, "Contents", Bucket=self.bucket, Prefix=self.parts):
            start = int(listed["Key"].removeprefix(self.parts).removesuffix(".out"))
            last[start - start % self.stretch] = start
        return {
            first: self._read(last[first]) if first in last else first for first in range(0, self.size, self.stretch)
        }

    def unanswered(self, reached: Mapping[int, int]) -> Sequence[int]:
        """Return the first bytes of the stretches that are not answered to their end."""
        return [first for first, byte in reached.items() if byte < self.end(first)]

    def lines(self, first: int, begin: int) -> Iterator[tuple[int, str]]:
        """Yield the lines of a stretch from a byte on, each with the byte behind it.

        A stretch may begin within a line, which is another's; where nothing else begins in it, that is yielded empty.
        """
        behind = begin - 1 if begin == first and begin else begin
        chunks = objects.stream_from(self.client, self.bucket, self.key, None, behind)
        for line in _lines(chunks):
            is_rest = behind < begin
            behind += len(line)
            if not is_rest or behind >= self.end(first):
                yield behind, "" if is_rest else line.decode().strip()
            if behind >= self.end(first):
                break

    def store(self, start: int, answers: bytes, reached: int) -> int:
        """Store a part; return the byte that it reaches.

        Of two calls at once, or one after a kill, the first part that is stored counts.
        """
        said = {"reached": str(reached)}
        stored = objects.put_first(self.client, self.bucket, self._part(start), answers, said)
        self._reached[start] = int(stored["reached"])
        return self._reached[start]

    def _part(self, start: int) -> str:
        return f"{self.parts}{start:012d}.out"

    def _read(self, start: int) -> int:
        if start not in self._reached:
            part = self.client.head_object(Bucket=self.bucket, Key=self._part(start))
            self._reached[start] = int(part["Metadata"]["reached"])
        return self._reached[start]


Came = tuple[str, "library.Live"]


@dataclass(slots=True)
class _Ahead:
    """What came of the users of a job's lines, which is read while the lines before them are answered."""

    pool: ThreadPoolExecutor
    read: Callable[[str], Came] | None = None
    """Reads a user's; None for segments, whose lines have no users."""
    _coming: dict[str, Future[Came]] = field(default_factory=dict)

    def read_ahead(self, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Yield lines, each with the byte behind it, and read the users of the next ones meanwhile."""
        waiting: deque[tuple[int, str]] = deque()
        for behind, line in lines:
            # A line that asks for no list is refused when it is answered.
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("userId"), str):
                    self._begin(row["userId"])
            waiting.append((behind, line))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        yield from waiting

    def user(self, user: str) -> Came:
        """Return what came of a user."""
        self._begin(user)
        return self._coming.pop(user).result()

    def _begin(self, user: str) -> None:
        if self.read and user not in self._coming:
            self._coming[user] = self.pool.submit(self.read, user)


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
