# SPDX-License-Identifier: Apache-2.0
"""Turn a shop's exported datasets into a test's files: imports, questions and right answers."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from table_intake.wording import counted

from personalization.core.aws import objects
from personalization.core.errors import Broken
from personalization.personalize import schemas
from personalization.releases.held_out import trials
from personalization.releases.held_out.splitting import Export, Parts, Splitter, Verifier, copied, latest
from personalization.releases.held_out.trials import Imported, Split, Trial
from personalization.shop.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def split(s3: "S3Client", bucket: str, trial: Trial) -> Split:
    """Cut the exported history in two, and write the files of the test.

    Raises:
        Broken: an export is empty or not in Personalize's format.
    """
    history = trial.imports[0]
    # A clock that runs ahead would move the cut-off into the future, where no interactions are.
    until = trial.until or int(time.time())
    last = latest(frames(s3, bucket, trial, history), until)
    if last is None:
        raise Broken(trial.sources[0].job.name, "there are no interactions in the export")
    cut_off = last - trial.held_out.days * trials.DAY
    with tempfile.TemporaryDirectory() as scratch:
        most = trial.held_out.users
        splitter = Splitter(
            cut_off=cut_off,
            event_type=trial.event_type,
            users=most,
            candidates=trials.CANDIDATES,
            scratch=Path(scratch),
            until=until,
        )
        digest = _write(s3, bucket, trial, history, splitter)
        parts = splitter.finish()
    result = summary(trial, parts, cut_off, digest)
    if result.enough:
        for plan in trial.imports[1:]:
            _write(s3, bucket, trial, plan, None)
        ask(s3, bucket, trial, parts)
    return result


def summary(trial: Trial, parts: Parts, cut_off: int, digest: str, files: int = 1) -> Split:
    """Return the result of a cut, and whether it is enough for a test."""
    reason, least, have = parts.reason, trial.held_out.minimum_users, len(parts.baskets)
    if not reason and have < least:
        reason = (
            f"only {counted(have, 'user')} with a past came back in the last {counted(trial.held_out.days, 'day')}, "
            f"and at least {least:,} are needed"
        )
    return Split(
        enough=not reason,
        reason=reason,
        cut_off=cut_off,
        rows=parts.rows,
        held_out_rows=parts.held_out_rows,
        event_type=parts.event_type,
        shoppers=have,
        new_shoppers=parts.new_shoppers,
        digest=digest,
        files=files,
    )


def verify(s3: "S3Client", bucket: str, trial: Trial) -> Imported:
    """Read the imported interactions again from the bucket."""
    history = trial.imports[0]
    exam = objects.get_json(s3, bucket, trial.key(trials.EXAM))
    verifier, digest = Verifier(exam["baskets"]), objects.Digest()
    keys = [key for key, _ in csv_files(s3, bucket, key_of(bucket, history.import_job.data_location))]
    for key in keys:
        with objects.reading(s3, bucket, key, None, digest=digest) as chunks:
            for frame in Export(key, chunks, columns(history), copied=True).frames():
                verifier.take(frame)
    return Imported(
        rows=verifier.rows,
        last=verifier.last,
        digest=digest.hexdigest(),
        files=len(keys),
        bought_again=verifier.bought_again,
    )


def _write(s3: "S3Client", bucket: str, trial: Trial, plan: Plan, splitter: Splitter | None) -> str:
    """Write the file of a dataset, up to the cut-off if there is one; return its SHA-256."""
    header = (",".join(columns(plan)) + "\n").encode()
    rows = (splitter.take(frame) if splitter else copied(frame) for frame in frames(s3, bucket, trial, plan))
    digest = hashlib.sha256()
    with objects.writing(s3, bucket, f"{key_of(bucket, plan.import_job.data_location)}part-0.csv") as upload:
        for data in chain([header], rows):
            digest.update(data)
            upload.write(data)
    return digest.hexdigest()


def frames(s3: "S3Client", bucket: str, trial: Trial, plan: Plan) -> Iterator[pl.DataFrame]:
    """Iterate over the rows of a dataset's exported files."""
    for key, _ in exported(s3, bucket, trial, plan):
        yield from frames_of(s3, bucket, key, plan)


def frames_of(s3: "S3Client", bucket: str, key: str, plan: Plan) -> Iterator[pl.DataFrame]:
    """Iterate over the rows of one of them."""
    with objects.reading(s3, bucket, key, None) as chunks:
        yield from Export(key, chunks, columns(plan)).frames()


def exported(s3: "S3Client", bucket: str, trial: Trial, plan: Plan) -> list[tuple[str, int]]:
    """Return keys and sizes of a dataset's exported files, sorted. Raises Broken if there are none."""
    (source,) = [planned for planned in trial.sources if planned.kind == plan.kind]
    files = csv_files(s3, bucket, key_of(bucket, source.location))
    if not files:
        raise Broken(source.job.name, f"there is no CSV below {source.location}")
    return files


def ask(s3: "S3Client", bucket: str, trial: Trial, parts: Parts) -> None:
    """Write the questions, one file for each recipe, and the right answers."""
    exam = {"baskets": parts.baskets, "popular": parts.popular, "catalogue": parts.catalogue}
    objects.put_json(s3, bucket, trial.key(trials.EXAM), exam)
    for question in trial.questions:
        ranked = question.recipe.alias == "personalized-ranking"
        more = {"itemList": parts.popular} if ranked else {}
        lines = [json.dumps({"userId": user, **more}, ensure_ascii=False) for user in parts.baskets]
        body = "".join(f"{line}\n" for line in lines).encode()
        objects.put_bytes(s3, bucket, key_of(bucket, question.source), body, "application/json")


def columns(plan: Plan) -> tuple[str, ...]:
    return schemas.read(plan.schema_.name, plan.kind, plan.schema_.text).names()


def key_of(bucket: str, location: str) -> str:
    return location.removeprefix(f"s3://{bucket}/")


def csv_files(s3: "S3Client", bucket: str, folder: str) -> list[tuple[str, int]]:
    """Return keys and sizes of CSV objects below a folder, sorted."""
    return sorted(file for file in objects.list_sizes(s3, bucket, folder) if file[0].lower().endswith(".csv"))
