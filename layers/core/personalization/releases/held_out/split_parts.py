# SPDX-License-Identifier: Apache-2.0
"""Cut an exported history that is too large for one function: part by part, in two passes.

A part is an exported file, or a range of a large one. The first pass finds the latest interaction of each, which gives
the cut-off; the second cuts each in two. What a part contributes is a file in the attempt's folder; every step can run
twice.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from table_intake.check.state import State, pack, unpack
from table_intake.ranges import cutting
from table_intake.ranges.cutting import File, Outcome, Task
from table_intake.ranges.ranges import FileForm, Range
from table_intake.read.rows import Table

from personalization.core.aws import map_runs, objects
from personalization.core.errors import Broken
from personalization.releases.held_out import trials
from personalization.releases.held_out.split_files import (
    ask,
    columns,
    csv_files,
    exported,
    frames_of,
    key_of,
    summary,
)
from personalization.releases.held_out.splitting import Export, Splitter, Verifier, copied, frames, latest
from personalization.releases.held_out.trials import CutOff, Exported, ExportedFile, Imported, Split, Trial, Written
from personalization.shop.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HISTORY, EVERY, IMPORTED = "history.json", "every.json", "imported.json"
"""Lists of parts: the exported files of interactions, all exported files, the imported files of interactions."""


def list_files(s3: "S3Client", bucket: str, trial: Trial, most: int) -> Exported:
    """List the exported files, those of interactions in ranges of at most `most` bytes; together, more are large.

    Raises:
        Broken: an export is empty.
    """
    files_listed: list[ExportedFile] = []
    total = 0
    for plan in trial.imports:
        files = exported(s3, bucket, trial, plan)
        total += sum(size for _, size in files)
        # Only interactions are read in two passes, of which the first tells whether their ranges fit together.
        largest = most if plan.kind == "interactions" else max(size for _, size in files)
        tasks = cutting.cut(plan.dataset.name, [File(size) for _, size in files], largest, largest)
        for task in tasks:
            key, size = files[task.file]
            whole = ExportedFile(number=len(files_listed), kind=plan.kind, key=key)
            ranged = {"begin": task.begin, "end": task.end, "last": task.last}
            if (task.begin, task.end) != (0, size):
                whole = whole.replaced(**ranged, header=_header(s3, bucket, key))
            files_listed.append(whole)
    _put_list(s3, bucket, trial, EVERY, files_listed)
    _put_list(s3, bucket, trial, HISTORY, [file for file in files_listed if file.kind == "interactions"])
    return Exported(
        large=total > most,
        history=_key(trial, HISTORY),
        every=_key(trial, EVERY),
        imported=_key(trial, IMPORTED),
        results=_key(trial, "results"),
    )


def find_latest(s3: "S3Client", bucket: str, trial: Trial, part: ExportedFile) -> Written:
    """Find the latest interaction of a part, and where its first and last rows are."""
    with _opened(s3, bucket, trial, part) as (rows, part_range):
        last = latest(rows, trial.until or int(time.time()))
    outcome = (
        {"skipped": part_range.skipped, "behind": part_range.behind} if part_range else {"skipped": 0, "behind": 0}
    )
    key = _key(trial, f"latest-{part.number}.json")
    objects.put_json(s3, bucket, key, {"last": last, **outcome})
    return Written(key=key)


def find_cut_off(s3: "S3Client", bucket: str, trial: Trial) -> CutOff:
    """Find the cut-off of all parts.

    Raises:
        Broken: there are no interactions; or a range does not begin where the range before ended.
    """
    parts = _list(s3, bucket, trial, HISTORY)
    documents = [
        json.loads(objects.required_bytes(s3, bucket, _key(trial, f"latest-{part.number}.json"))) for part in parts
    ]
    outcomes = [Outcome(document["skipped"], document["behind"], None) for document in documents]
    keys = sorted({part.key for part in parts})
    tasks = [replace(_task(part), file=keys.index(part.key)) for part in parts]
    if wrong := cutting.wrong(tasks, outcomes):
        raise Broken(keys[wrong[0].file], f"it is not known which row begins at byte {wrong[0].begin:,} of the export")
    last = max((document["last"] for document in documents if document["last"] is not None), default=None)
    if last is None:
        raise Broken(trial.sources[0].job.name, "there are no interactions in the export")
    return CutOff(cut_off=last - trial.held_out.days * trials.DAY)


def cut(s3: "S3Client", bucket: str, trial: Trial, part: ExportedFile, cut_off: int) -> Written:
    """Write the import file of a part, up to the cut-off; users and items as they are."""
    (plan,) = [imported for imported in trial.imports if imported.kind == part.kind]
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as scratch, _opened(s3, bucket, trial, part) as (parts, _):
        splitter = _splitter(trial, cut_off, scratch)
        take = splitter.take if part.kind == "interactions" else copied
        rows = (data for data in map(take, parts) if data)
        # Nobody knows what Personalize makes of a file without rows.
        if first := next(rows, None):
            header = (",".join(columns(plan)) + "\n").encode()
            with objects.writing(s3, bucket, _import_key(bucket, plan, part)) as upload:
                for data in chain([header, first], rows):
                    digest.update(data)
                    upload.write(data)
        if part.kind != "interactions":
            return Written(key="")
        state = splitter.state()
    key = _key(trial, f"cut-{part.number}")
    state = State({**state.document, "digest": digest.hexdigest() if first else ""}, state.frames)
    objects.put_bytes(s3, bucket, key, pack(state))
    return Written(key=key)


def join_cut(s3: "S3Client", bucket: str, trial: Trial, cut_off: int) -> Split:
    """Add up the parts; write the questions and the right answers if there is enough for a test."""
    files: list[ExportedFile] = []
    digests: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        splitter = _splitter(trial, cut_off, scratch)
        for part in _list(s3, bucket, trial, HISTORY):
            state = _state(s3, bucket, _key(trial, f"cut-{part.number}"))
            splitter.merge(state)
            if digest := state.document["digest"]:
                key = _import_key(bucket, trial.imports[0], part)
                files.append(ExportedFile(number=part.number, kind=part.kind, key=key))
                digests.append(digest)
        parts = splitter.finish()
    _put_list(s3, bucket, trial, IMPORTED, files)
    split = summary(trial, parts, cut_off, _digest(digests), len(files))
    if split.enough:
        ask(s3, bucket, trial, parts)
    return split


def read(s3: "S3Client", bucket: str, trial: Trial, part: ExportedFile) -> Written:
    """Read an imported file again."""
    exam = objects.get_json(s3, bucket, trial.key(trials.EXAM))
    verifier, digest = Verifier(exam["baskets"]), objects.Digest()
    with objects.reading(s3, bucket, part.key, None, digest=digest) as chunks:
        for frame in Export(part.key, chunks, columns(trial.imports[0]), copied=True).frames():
            verifier.take(frame)
    key = _key(trial, f"read-{part.number}")
    state = verifier.state()
    state = State({**state.document, "digest": digest.hexdigest()}, state.frames)
    objects.put_bytes(s3, bucket, key, pack(state))
    return Written(key=key)


def join_read(s3: "S3Client", bucket: str, trial: Trial) -> Imported:
    """Add up what was read."""
    exam = objects.get_json(s3, bucket, trial.key(trials.EXAM))
    verifier = Verifier(exam["baskets"])
    digests: list[str] = []
    for part in _list(s3, bucket, trial, IMPORTED):
        state = _state(s3, bucket, _key(trial, f"read-{part.number}"))
        verifier.merge(state)
        digests.append(state.document["digest"])
    folder = key_of(bucket, trial.imports[0].import_job.data_location)
    return Imported(
        rows=verifier.rows,
        last=verifier.last,
        digest=_digest(digests),
        files=len(csv_files(s3, bucket, folder)),
        bought_again=verifier.bought_again,
    )


def explain(s3: "S3Client", bucket: str, trial: Trial) -> None:
    """Raise Broken with the reason of a part that failed, if there is one."""
    map_runs.explain(s3, bucket, _key(trial, "results/"))


@contextmanager
def _opened(
    s3: "S3Client", bucket: str, trial: Trial, part: ExportedFile
) -> Iterator[tuple[Iterator[pl.DataFrame], Range | None]]:
    """Open the rows of a part, and the range, if it is one."""
    (plan,) = [imported for imported in trial.imports if imported.kind == part.kind]
    if part.end:
        stream = partial(objects.stream_from, s3, bucket, part.key, None)
        part_range = Range(part.key, stream, _task(part), FileForm(part.header, ","))
        yield frames(part.key, part_range, columns(plan)), part_range
    else:
        yield frames_of(s3, bucket, part.key, plan), None


def _task(part: ExportedFile) -> Task:
    skipped = None if part.begin else 0
    return Task(part.number, 0, begin=part.begin, end=part.end, last=part.last, skipped=skipped)


def _header(s3: "S3Client", bucket: str, key: str) -> tuple[str, ...]:
    first = objects.get_range(s3, bucket, key, 0, objects.CHUNK)
    return tuple(Table(key, [first]).header)


def _splitter(trial: Trial, cut_off: int, scratch: str) -> Splitter:
    until = trial.until or int(time.time())
    return Splitter(
        cut_off=cut_off,
        event_type=trial.event_type,
        users=trial.held_out.users,
        candidates=trials.CANDIDATES,
        scratch=Path(scratch),
        until=until,
    )


def _digest(digests: list[str]) -> str:
    """Return the digest of several files in order; of one, its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _key(trial: Trial, name: str) -> str:
    return trial.key(f"{trials.PARTS}{name}")


def _import_key(bucket: str, plan: Plan, part: ExportedFile) -> str:
    return f"{key_of(bucket, plan.import_job.data_location)}part-{part.number:06}.csv"


def _put_list(s3: "S3Client", bucket: str, trial: Trial, name: str, parts: list[ExportedFile]) -> None:
    objects.put_json(s3, bucket, _key(trial, name), [part.as_json() for part in parts])


def _list(s3: "S3Client", bucket: str, trial: Trial, name: str) -> list[ExportedFile]:
    documents: list[Any] = objects.get_json(s3, bucket, _key(trial, name))
    return [ExportedFile.read(document) for document in documents]


def _state(s3: "S3Client", bucket: str, key: str) -> State:
    return unpack(objects.required_bytes(s3, bucket, key))
