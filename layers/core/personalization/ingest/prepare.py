# SPDX-License-Identifier: Apache-2.0
"""Prepare a run from a dropped object: read, check and copy it, report on it, and plan what follows."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.aws.objects import Digest
from personalization.core.errors import Rejected, TooManyRejects
from personalization.core.names import Names
from personalization.ingest import copies, findings, report, sales
from personalization.ingest import plan as imports
from personalization.ingest.copies import Copies
from personalization.ingest.csv.copying import Copied, copy
from personalization.ingest.csv.cutting import Part
from personalization.ingest.findings import Checked, Expected, Findings
from personalization.ingest.plan import Lineage
from personalization.ingest.report import Subject
from personalization.personalize import ensure, training
from personalization.personalize.ensure_recommenders import statuses
from personalization.shop import item_files, keys, recommenders, settings_file
from personalization.shop.keys import DataKind, Drop
from personalization.shop.plan import Joined, LeftOut, Nothing, Plan, PrepareRequest, Retraining
from personalization.shop.settings import ShopSettings
from personalization.shop.settings_file import settings_that_hold

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_CHECK = 1
"""Raised with each version whose check changes the outcome for the same bytes, which are then imported again."""
_OF_NO_DROP = frozenset({"prices", "erasure", "schedules"})
_OF_TRAINING = frozenset(
    {
        "campaigns",
        "event_type",
        "filters",
        "gate",
        "generation",
        "likelihood",
        "placements",
        "probe",
        "recipes",
        "recommenders",
        "unused_campaigns",
    }
)
"""Settings without effect on users and items, which are imported but start no training by themselves."""


def _content(digest: Digest, kind: DataKind, settings: ShopSettings) -> str:
    """Return the identity of a drop's content: its bytes and the settings that affect its import."""
    return f"{digest.size}-{digest.hexdigest()}-{_settings_digest(kind, settings)}"


def _may_match(content: str, size: int, kind: DataKind, settings: ShopSettings) -> bool:
    """Tell whether bytes of this size can have a known content, so that they are worth reading."""
    known_size, _, settled = content.split("-") if content.count("-") == 2 else ("", "", "")
    return known_size == str(size) and settled == _settings_digest(kind, settings)


def _settings_digest(kind: DataKind, settings: ShopSettings) -> str:
    excluded = _OF_NO_DROP if kind == "interactions" else _OF_NO_DROP | _OF_TRAINING
    relevant: Mapping[str, Any] = {"check": _CHECK, **settings.model_dump(mode="json", exclude=set(excluded))}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


_TOO_FEW = (
    "is too few rows for an import job of its own, which the others leave no room for: the run that follows imports it"
)


def prepare_all(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, request: PrepareRequest, most: int
) -> Plan | Nothing:
    """Check an object and those imported with it, each into a part of its own; or plan a retraining.

    Refused objects and those with other columns are left out while the others are imported. Data larger than one
    incremental import job, of `most` bytes, are imported by several.

    Raises:
        Rejected: all objects are refused; or there is nothing to train on.
        RetryLater, LimitReached, Broken: as in `translate_errors`.
    """
    if request.retrain is not None:
        lineage = Lineage(request.run, request.imported_by, request.trained_by, request.begun_at)
        return retraining(s3, personalize, names, bucket, lineage, request.retrain)
    first = Joined(id=request.id, key=request.key, version_id=request.version_id)
    objects = (first, *request.also)
    drop = keys.recognise(request.key)
    written = copies.copies_of(s3, personalize, names, request, drop, most)
    plans: dict[int, Plan] = {}
    left_out: dict[int, LeftOut] = {}
    for part, each in enumerate(objects):
        if written.before is not None and each.id in written.before.left:
            left_out[part] = _postponed(each, _TOO_FEW)
            continue
        alone = request.model_copy(update={"id": each.id, "key": each.key, "version_id": each.version_id, "also": ()})
        check = partial(prepare, s3, personalize, names, alone, written, part)
        made = _outcome(check, each, next(iter(plans.values()), None), request)
        if isinstance(made, Nothing):
            return made
        if isinstance(made, LeftOut):
            left_out[part] = made
        else:
            plans[part] = made
    for part in written.cutter.postpone_rest():
        if plans.pop(part, None) is not None:
            left_out[part] = _postponed(objects[part], _TOO_FEW)
    left = [each.id for each in left_out.values() if each.reason == _TOO_FEW]
    written.finish(len(objects), left_out.keys(), left)
    remove_counts(s3, bucket, drop.shop, [objects[part] for part, each in left_out.items() if each.outcome == "later"])
    if not plans:
        raise Rejected(request.key, "; ".join(f"{each.key}: {each.reason}" for each in left_out.values()))
    (_, plan), *others = plans.items()
    for part, other in others:
        plan = imports.merged(plan, other, objects[part].key)
    if jobs := len(written.cutter.cuts):
        plan = imports.split_into_jobs(plan, names, bucket, jobs + 1, written.before.runs if written.before else ())
    return plan.model_copy(update={"left_out": tuple(left_out[part] for part in sorted(left_out))})


def _outcome(
    check: Callable[[], Plan | Nothing], each: Joined, first: Plan | None, request: PrepareRequest
) -> Plan | Nothing | LeftOut:
    """Return the outcome of one object; `first` is the plan of the first one that is imported."""
    try:
        made = check()
    except Rejected as refused:
        if not request.also:
            raise
        return LeftOut(id=each.id, key=each.key, outcome="refused", reason=refused.reason)
    if first is not None and isinstance(made, Plan) and made.schema_ != first.schema_:
        return _postponed(each, f"has other columns than {request.key}: the run that follows imports it")
    return made


def _postponed(each: Joined, reason: str) -> LeftOut:
    return LeftOut(id=each.id, key=each.key, outcome="later", reason=reason)


def retraining(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, whose: Lineage, wish: Retraining
) -> Plan:
    """Return the plan of a run that trains on the existing data.

    Raises:
        Rejected: the shop has no interactions, or the recipes or the training mode do not fit its settings.
    """
    settings, remarks = settings_that_hold(s3, bucket, wish.shop)
    arn = names.dataset(wish.shop, "interactions").arn
    schema = ensure.dataset_schema(personalize, "interactions", arn)
    if schema is None:
        raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
    plan = imports.retraining(names, bucket, wish, whose, settings, schema)
    unnamed = recommenders.unnamed(settings.recommenders, statuses(personalize, plan.dataset_group.arn))
    plan = plan.model_copy(update={"notes": (*remarks, *plan.notes, *unnamed)})
    return imports.with_unused_campaigns(
        plan, settings, training.unused_campaigns(personalize, names, wish.shop, settings)
    )


_RELATED_KINDS: dict[DataKind, tuple[DataKind, ...]] = {"interactions": ("users", "items"), "users": (), "items": ()}


def prepare(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, request: PrepareRequest, copies: Copies, part: int
) -> Plan | Nothing:
    """Check a drop, write its import copy, its report and its refused rows, and plan what follows.

    A refused drop leaves its report and its refused rows, but nothing to import.

    Args:
        s3: the bucket's service.
        personalize: the control plane.
        names: what this deployment calls its resources.
        request: the object.
        copies: the copies of the run.
        part: the number of this copy among those imported together.

    Raises:
        Rejected: the key, the settings or the data are refused.
        RetryLater, LimitReached, Broken: as in `translate_errors`.
    """
    drop = keys.recognise(request.key)
    if drop.kind == "nothing":
        return imports.nothing_to_do(drop, request.run, "this object is no drop")
    kind = drop.data_kind
    if kind is None:
        which = settings_file.checked(s3, request.bucket, drop.shop)
        good = "the settings are good; the next drop follows them"
        return imports.nothing_to_do(drop, request.run, *([good, which] if which else [good]))
    chosen, remarks = settings_that_hold(s3, request.bucket, drop.shop)
    now = datetime.now(UTC)
    before = _history_size(s3, request, drop) if kind == "interactions" and drop.mode != "FULL" else 0
    about = Subject(drop.shop, request.run, kind, drop.mode, request.key, now, chosen, before)
    reporter = _Reporter(s3, request.bucket, about, part)
    digest = Digest()
    try:
        expected = _expected(personalize, names, drop, chosen, int(now.timestamp()))
        if request.known and expected.existing and request.may_skip and _unchanged(s3, request, kind, chosen):
            return imports.already_handled(drop, request.run, request.known)
        copied = _copy(s3, request, expected, reporter, copies.cutter.part(drop.key, request.id, part), digest)
    except Rejected as refused:
        page = reporter.refused(refused.reason)
        raise type(refused)(refused.resource, f"{refused.reason} (report: {page})") from None
    checked = reporter.accepted(copied)
    copies.keep(int(now.timestamp() * 1000), part)
    _store_counts(s3, request, drop, copied, now)
    checked = replace(checked, notes=(*remarks, *checked.notes))
    if expected.group and kind == "interactions" and not part:
        served = statuses(personalize, names.dataset_group(drop.shop).arn)
        checked = replace(checked, notes=(*checked.notes, *recommenders.unnamed(chosen.recommenders, served)))
    lineage = Lineage(request.run, request.imported_by, request.trained_by, request.begun_at)
    plan = imports.plan(names, request.bucket, drop, lineage, chosen, checked)
    if drop.mode == "FULL":
        plan = plan.model_copy(update={"content": _content(digest, kind, chosen)})
    if not expected.group or kind != "interactions" or part:
        return plan
    return imports.with_unused_campaigns(plan, chosen, training.unused_campaigns(personalize, names, drop.shop, chosen))


def _unchanged(s3: "S3Client", request: PrepareRequest, kind: DataKind, chosen: ShopSettings) -> bool:
    """Tell whether an object equals the imported one; it is read only if its size matches."""
    content = request.known.content if request.known else ""
    size = objects.size(s3, request.bucket, request.key, request.version_id)
    if size is None or not _may_match(content, size, kind, chosen):
        return False
    digest = Digest()
    where = (request.bucket, request.key, request.version_id)
    with objects.reading(s3, *where, compressed=False, digest=digest) as chunks:
        for _ in chunks:
            pass
    return _content(digest, kind, chosen) == content


def _store_counts(s3: "S3Client", request: PrepareRequest, drop: Drop, copied: Copied, now: datetime) -> None:
    """Store a drop's item counts for the list of bestsellers."""
    if copied.sold is not None:
        when, rows = int(now.timestamp() * 1000), copied.sold.rows
        key = sales.key(drop.shop, drop.mode, when, rows, sales.identity(request.key, request.version_id))
        objects.put_bytes(s3, request.bucket, key, sales.pack(copied.sold), "application/gzip")


def remove_counts(s3: "S3Client", bucket: str, shop: str, drops: Collection[Joined]) -> None:
    """Remove the counts of drops that a later run checks and counts again."""
    identities = {sales.identity(each.key, each.version_id) for each in drops}
    for key in objects.list_keys(s3, bucket, sales.folder(shop)) if drops else ():
        if any(each in key for each in identities):
            objects.remove(s3, bucket, key)


def _history_size(s3: "S3Client", request: PrepareRequest, drop: Drop) -> int:
    """Return the shop's interactions before an incremental drop."""
    own = sales.identity(request.key, request.version_id)
    return sales.history(
        key for key in objects.list_keys(s3, request.bucket, sales.folder(drop.shop)) if own not in key
    )


def _copy(
    s3: "S3Client",
    request: PrepareRequest,
    expected: Expected,
    reporter: "_Reporter",
    part: AbstractContextManager[Part],
    digest: Digest,
) -> Copied:
    """Copy the drop in one pass, and leave nothing of the copy after an error."""
    drop, kinds = keys.recognise(request.key), (expected.kind, *_RELATED_KINDS[expected.kind])
    known = {kind: objects.get_bytes(s3, request.bucket, report.ids_key(drop.shop, kind)) for kind in kinds}
    with (
        tempfile.TemporaryDirectory() as scratch,
        objects.reading(
            s3, request.bucket, request.key, request.version_id, compressed=drop.compressed, digest=digest
        ) as chunks,
        part as target,
    ):
        copied = copy(chunks, expected, target, Path(scratch), known)
        reporter.store_rejects(copied)
        if problems := findings.problems(expected, copied.findings):
            kind = TooManyRejects if findings.above_limit(expected, copied.findings) else Rejected
            raise kind(expected.resource, "; ".join(problems))
        if copied.listed is None:
            return copied
        version = hashlib.sha256(f"{request.run}/{request.key}".encode()).hexdigest()[:12]
        untold = item_files.write(s3, request.bucket, drop.shop, drop.mode, copied.listed, version)
    noted = replace(copied.findings, notes=(*copied.findings.notes, untold)) if untold else copied.findings
    return replace(copied, findings=noted)


class _Reporter:
    """Writes the report on one drop."""

    def __init__(self, s3: "S3Client", bucket: str, about: Subject, part: int) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._about = about
        self._part = part
        self._findings: Findings | None = None
        self._rejects = ""
        self._kept = 0

    def store_rejects(self, copied: Copied) -> None:
        """Store the refused rows."""
        self._findings = copied.findings
        if copied.rejects.rows:
            about = self._about
            self._rejects = report.rejects_key(about.shop, about.run, about.kind, self._part)
            self._kept = copied.rejects.written
            objects.put_bytes(self._s3, self._bucket, self._rejects, copied.rejects.file(), "text/csv; charset=utf-8")

    def refused(self, reason: str) -> str:
        """Report a refused drop, and return the page's key."""
        return self._write(reason)[0]

    def accepted(self, copied: Copied) -> Checked:
        """Report an imported drop."""
        about = self._about
        page, document = self._write("")
        if not self._part:
            objects.put_json(self._s3, self._bucket, report.last_key(about.shop, about.kind), document)
        if about.kind != "interactions":
            # Ids of an earlier drop would be wrong if this one's cannot be compared.
            ids = copied.ids if copied.ids is not None else b""
            key = report.ids_key(about.shop, about.kind)
            objects.put_bytes(self._s3, self._bucket, key, ids, "application/octet-stream")
        results = copied.findings
        notes = results.notes
        if results.rejected:
            notes = (*notes, f"{results.rejected:,} of {results.rows:,} rows were left out: {self._rejects}")
        notes = (
            *notes,
            *report.data_limits(about.settings, _items(about, results), about.before + _interactions(about, results)),
        )
        checked = Checked(copied.schema, results.accepted, notes, bool(copied.layout.added))
        whole = about.kind == "interactions" and about.mode == "FULL"
        return replace(checked, report=page, rejects=results.rejected, events=results.event_types if whole else None)

    def _write(self, reason: str) -> tuple[str, report.Document]:
        about = self._about
        before = objects.get_json(self._s3, self._bucket, report.last_key(about.shop, about.kind))
        document = report.document(about, self._findings, reason, before)
        document["rejects"] = {"key": self._rejects, "rows": self._kept} if self._rejects else None
        name = report.folder(about.shop, about.run) + report.file_name(about.kind, self._part)
        objects.put_json(self._s3, self._bucket, f"{name}.json", document)
        objects.put_text(self._s3, self._bucket, f"{name}.html", report.page(document))
        return f"{name}.html", document


def _items(about: Subject, results: Findings) -> int:
    """Return the number of items in a drop of items or of interactions."""
    if about.kind == "items":
        return results.accepted
    return results.items.ids if about.kind == "interactions" and results.items else 0


def _interactions(about: Subject, results: Findings) -> int:
    return results.accepted if about.kind == "interactions" else 0


def _expected(personalize: "PersonalizeClient", names: Names, drop: Drop, chosen: ShopSettings, now: int) -> Expected:
    kind = drop.data_kind or "interactions"
    group, domain = ensure.group_domain(personalize, names.dataset_group(drop.shop))
    existing = ensure.dataset_schema(personalize, kind, names.dataset(drop.shop, kind).arn) if group else None
    imports.check_existing(drop, chosen, domain, group=group is not None, dataset=existing is not None)
    return Expected(drop.key, kind, drop.mode, chosen, existing, now, group)
