# SPDX-License-Identifier: Apache-2.0
"""Prepare a run from dropped objects: read, check and copy them, report on them, and plan what follows."""

import hashlib
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from table_intake import Checked, DataKind, Expected, Proposal, check_table, propose_settings, sample_table
from table_intake.check import changes, findings
from table_intake.check.findings import Findings
from table_intake.ranges.division import Division
from table_intake.ranges.merged import Merged
from table_intake.ranges.work import Work
from table_intake.read.archives import LARGEST
from table_intake.wording import counted

from personalization.core.aws import objects
from personalization.core.aws.objects import Digest
from personalization.core.errors import Rejected, TooManyRejects, intake_translated
from personalization.core.names import Names
from personalization.ingest import known_ids, report, sales
from personalization.ingest import plan as imports
from personalization.ingest.bucket import Bucket
from personalization.ingest.copies import Copies, Part, copies_of
from personalization.ingest.item_lines import TOO_LARGE, ItemLines
from personalization.ingest.parts import list_parts
from personalization.ingest.plan import Accepted, Lineage
from personalization.ingest.report import Subject
from personalization.ingest.source import Source
from personalization.personalize import ensure, training
from personalization.personalize.ensure import recommender_statuses
from personalization.shop import item_files, keys, recommenders, settings_file
from personalization.shop.item_files import Listed
from personalization.shop.keys import Drop
from personalization.shop.plan import Joined, Last, LeftOut, Nothing, Plan, PrepareRequest, Retraining
from personalization.shop.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_CHECK = 1
"""Raised with each version whose check changes the outcome for the same bytes, which are then imported again."""
_OF_NO_DROP = frozenset({"batch", "changes", "prices", "erasure", "schedules"})
_SECTIONS = frozenset({"interactions", "users", "items"})
"""Settings for files of one kind, of which a drop's own count."""
_OF_TRAINING = frozenset(
    {
        "campaigns",
        "deploy",
        "diversity",
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
_FLOW = 2_000
"""Characters of proposed settings in a reason, at most."""
_TOO_FEW = "has too few rows for an import job of its own, and the others leave no room for it: the next run imports it"
_RELATED_KINDS: dict[DataKind, tuple[DataKind, ...]] = {"interactions": ("users", "items"), "users": (), "items": ()}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes that one incremental import job takes, and that one function checks; of more, there are several."""

    job: int
    part: int


class Preparation:
    """Prepare one run.

    Its request is for objects that are imported together, or for a retraining.
    """

    def __init__(
        self,
        s3: "S3Client",
        personalize: "PersonalizeClient",
        names: Names,
        bucket: str,
        request: PrepareRequest,
        sizes: Sizes,
    ) -> None:
        self._s3 = s3
        self._personalize = personalize
        self._names = names
        self._bucket = bucket
        self._request = request
        self._sizes = sizes
        self._merged: dict[int, Merged] = {}
        """Of drops that were checked in ranges."""
        self._lineage = Lineage(request.run, request.imported_by, request.trained_by, request.begun_at)

    def plan(self) -> Plan | Nothing:
        """Check all objects, each into a part of its own; or plan a retraining.

        Refused objects and those with other columns are left out while the others are imported. A refused object leaves
        its report and its refused rows, but nothing to import.

        Raises:
            Rejected: all objects are refused; or there is nothing to train on.
            RetryLater, LimitReached, Broken: as in `translate_errors`.
        """
        request = self._request
        if request.retrain is not None:
            return self._retraining(request.retrain)
        joined = (Joined(id=request.id, key=request.key, version_id=request.version_id), *request.also)
        copies = self._copies
        plans: dict[int, Plan] = {}
        left_out: dict[int, LeftOut] = {}
        for part, each in enumerate(joined):
            if copies.before is not None and each.id in copies.before.left:
                left_out[part] = _postponed(each, _TOO_FEW)
                continue
            try:
                made = self._prepare(each, part)
            except Rejected as refused:
                if not request.also:
                    raise
                left_out[part] = LeftOut(id=each.id, key=each.key, outcome="refused", reason=refused.reason)
                continue
            if isinstance(made, Nothing):
                return made
            if plans and made.schema_ != next(iter(plans.values())).schema_:
                reason = f"its columns differ from those of {request.key}: the next run imports it"
                left_out[part] = _postponed(each, reason)
            else:
                plans[part] = made
        for part in copies.cutter.postpone_rest():
            if plans.pop(part, None) is not None:
                left_out[part] = _postponed(joined[part], _TOO_FEW)
        copies.finish(len(joined), left_out.keys(), [each.id for each in left_out.values() if each.reason == _TOO_FEW])
        jobs = 1 + len(copies.cutter.cuts)
        self._remove_counts([joined[part] for part, each in left_out.items() if each.outcome == "later"])
        if not plans:
            raise Rejected(request.key, "; ".join(f"{each.key}: {each.reason}" for each in left_out.values()))
        plan = imports.merged([(joined[part].key, plan) for part, plan in plans.items()])
        if jobs > 1:
            followed = copies.before.runs if copies.before else ()
            plan = imports.split_into_jobs(plan, self._names, self._bucket, jobs, followed)
        return plan.model_copy(update={"left_out": tuple([left_out[part] for part in sorted(left_out)])})

    def _retraining(self, wish: Retraining) -> Plan:
        """Return the plan of a run that trains on the existing data.

        Raises:
            Rejected: the shop has no interactions, or the recipes or the training mode do not fit its settings.
        """
        settings, remarks = settings_file.settings_that_hold(self._s3, self._bucket, wish.shop)
        arn = self._names.dataset(wish.shop, "interactions").arn
        schema = ensure.dataset_schema(self._personalize, "interactions", arn)
        if schema is None:
            raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
        plan = imports.retraining(self._names, self._bucket, wish, self._lineage, settings, schema)
        return self._with_existing(plan.model_copy(update={"notes": (*remarks, *plan.notes)}), settings)

    def _with_existing(self, plan: Plan, settings: ShopSettings) -> Plan:
        """Return the plan with notes about existing recommenders and campaigns that the settings don't name."""
        if plan.dataset_group.domain:
            existing = recommender_statuses(self._personalize, plan.dataset_group.arn)
            unnamed = recommenders.unnamed(settings.recommenders, existing)
            plan = plan.model_copy(update={"notes": (*plan.notes, *unnamed)})
        unused = training.unused_campaigns(self._personalize, self._names, plan.shop, settings)
        return imports.with_unused_campaigns(plan, settings, unused)

    @cached_property
    def _drop(self) -> Drop:
        return keys.recognise(self._request.key)

    @cached_property
    def _copies(self) -> Copies:
        return copies_of(self._s3, self._personalize, self._names, self._request, self._drop, self._sizes.job)

    @cached_property
    def _settings(self) -> tuple[ShopSettings, tuple[str, ...]]:
        return settings_file.settings_that_hold(self._s3, self._request.bucket, self._drop.shop)

    @cached_property
    def _last(self) -> changes.Last:
        """The reports on what was imported last of this kind."""
        return changes.Last(self._report(self._request.last), self._report(self._request.since))

    def _report(self, last: Last | None) -> report.Document | None:
        if last is None or self._drop.data_kind is None:
            return None
        stem = report.key(self._drop.shop, last.run, self._drop.data_kind, 0)
        documents = (
            objects.get_json(self._s3, self._bucket, key)
            for key in objects.list_keys(self._s3, self._bucket, stem)
            if key.endswith(".json")
        )
        return next((each for each in documents if each and each["key"] == last.key), None)

    def _prepare(self, each: Joined, part: int) -> Plan | Nothing:
        """Check an object, write its import copy, its report and its refused rows, and plan what follows.

        Raises:
            Rejected: the key, the settings or the data are refused.
        """
        request, drop = self._request, keys.recognise(each.key) if part else self._drop
        if drop.kind == "nothing":
            return Nothing(run=request.run, shop=drop.shop, kind=drop.kind, notes=("this object is not a drop",))
        kind = drop.data_kind
        if kind is None:
            which = settings_file.checked(self._s3, request.bucket, drop.shop)
            good = "the settings are good; the next drop follows them"
            return Nothing(run=request.run, shop=drop.shop, kind=drop.kind, notes=(good, which) if which else (good,))
        chosen, remarks = self._settings
        now = datetime.now(UTC)
        before = self._history_size(each) if kind == "interactions" and drop.mode != "FULL" else 0
        about = Subject(drop.shop, request.run, kind, drop.mode, each.key, now, chosen, before)
        reporter = _Reporter(self._s3, request, about, part, self._last)
        try:
            self._check_readable(drop)
            expected = self._expected(drop, kind, chosen, now)
            source = Source(self._s3, request.bucket, drop, list_parts(self._s3, request.bucket, drop, each.version_id))
            copied = self._checked(each, part, source, expected, reporter)
            if isinstance(copied, Nothing):
                return copied
        except Rejected as refused:
            known = refused.resource in request.unreadable
            proposal = None if known else self._proposal(drop, each.version_id, kind, chosen)
            page = reporter.refused(refused.reason, proposal)
            flow = proposal.flow() if proposal and proposal.section else ""
            way = f"; the report proposes settings for it{f': {flow}' if len(flow) <= _FLOW else ''}" if flow else ""
            if way and proposal and proposal.choices:
                way += ", beside which dates must have one of the forms that it lists"
            raise type(refused)(refused.resource, f"{refused.reason}{way} (report: {page})") from None
        checked = reporter.accepted(copied, remarks)
        if in_ranges := part in self._merged:
            store = known_ids.Store(self._s3, self._bucket, drop.shop)
            store.put_all(kind, request.run, self._merged[part].ids())
        milliseconds = int(now.timestamp() * 1000)
        self._copies.keep(milliseconds, part)
        if copied.sold is not None:
            identity = sales.identity(each.key, each.version_id)
            key = sales.key(drop.shop, drop.mode, milliseconds, copied.sold.rows, identity)
            objects.put_bytes(self._s3, request.bucket, key, sales.pack(copied.sold), "application/gzip")
        plan = imports.plan(self._names, request.bucket, drop, self._lineage, chosen, checked)
        # A drop too large for one function gets no digest, so its repeat is imported again.
        if drop.mode == "FULL" and (not in_ranges or source.parts.size <= LARGEST):
            digest = source.read() if in_ranges else source.digest
            plan = plan.model_copy(update={"content": _content(digest, kind, chosen)})
        return self._with_existing(plan, chosen) if expected.group and kind == "interactions" and not part else plan

    def _check_readable(self, drop: Drop) -> None:
        """Check that neither the drop nor a part of it has ended the process that read it."""
        for file, reason in self._request.unreadable.items():
            if file == drop.key or (drop.folder and file.startswith(drop.folder)):
                raise Rejected(file, reason)

    def _expected(self, drop: Drop, kind: DataKind, chosen: ShopSettings, now: datetime) -> Expected:
        named, dataset = self._names.dataset_group(drop.shop), self._names.dataset(drop.shop, kind)
        group, domain = ensure.group_domain(self._personalize, named)
        existing = ensure.dataset_schema(self._personalize, kind, dataset.arn) if group else None
        imports.check_existing(drop, chosen, domain, group=group is not None, dataset=existing is not None)
        at = int(now.timestamp())
        return Expected(drop.key, kind, drop.mode, chosen, existing, at, group, known_by=self._known_by(kind))

    def _known_by(self, kind: DataKind) -> dict[DataKind, tuple[str, ...]]:
        """Return the runs whose ids a drop is compared with; for its own kind, not this run."""
        imported = self._request.ids
        others: dict[DataKind, tuple[str, ...]] = {
            each: (self._request.run, *imported.get(each, ())) for each in _RELATED_KINDS[kind]
        }
        return {kind: imported.get(kind, ()), **others}

    def _checked(
        self, each: Joined, part: int, source: Source, expected: Expected, reporter: "_Reporter"
    ) -> Checked | Nothing:
        """Check a drop that may be imported: in one pass, or where it is too large for one function in ranges."""
        request, drop, kind, chosen = self._request, source.drop, expected.kind, self._settings[0]
        known = request.known if request.known and expected.existing and request.may_skip else None
        bucket = Bucket(self._s3, self._bucket)
        division = Division(bucket, self._sizes.part)
        with intake_translated():
            if drop.mode == "FULL" and request.may_divide and division.is_needed(source.parts):
                folder = f"work/{drop.shop}/{request.run}/{sales.identity(each.key, each.version_id)}/"
                work = Work(bucket, folder)
                end = work.end()
                if end is None:
                    if known and self._unchanged(source, kind, chosen):
                        return imports.already_handled(drop, request.run, known)
                    copies = f"{imports.copy_folder(drop.shop, request.run, kind)}part-{part}-"
                    division.begin(work, expected, source.parts, copies)
                    return imports.divided(drop, request.run, folder)
                self._merged[part] = Merged(work, *end)
                return self._concluded(self._merged[part], part, source, reporter)
        if known and self._unchanged(source, kind, chosen):
            return imports.already_handled(drop, request.run, known)
        return self._copy(source, expected, reporter, self._copies.cutter.part(drop.key, each.id, part))

    def _concluded(self, merged: Merged, part: int, source: Source, reporter: "_Reporter") -> Checked:
        """Add up what the ranges of a drop left, and leave none of their copies where it is refused."""
        self._copies.add(part, merged.copies)
        # An import reads its whole folder.
        for key in {*objects.list_keys(self._s3, self._bucket, merged.place)} - {*merged.copies}:
            objects.remove(self._s3, self._bucket, key)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                with intake_translated():
                    copied = source.noted(merged.copied(Path(scratch)), merged.origins)
                lines = merged.lines(TOO_LARGE) if merged.expected.kind == "items" else None
                return self._accepted(copied, lines, source, merged.expected, reporter)
        except Rejected:
            self._copies.discard(part)
            raise

    def _unchanged(self, source: Source, kind: DataKind, chosen: ShopSettings) -> bool:
        """Tell whether a drop equals the imported one; it is read only if its size and the settings match."""
        known = self._request.known.content if self._request.known else ""
        known_size, _, settings = known.split("-") if known.count("-") == 2 else ("", "", "")
        if known_size != str(source.parts.size) or settings != _settings_digest(kind, chosen):
            return False
        return _content(source.read(), kind, chosen) == known

    def _copy(
        self,
        source: Source,
        expected: Expected,
        reporter: "_Reporter",
        part: AbstractContextManager[Part],
    ) -> Checked:
        """Copy a drop in one pass, and leave nothing of the copy after an error."""
        kinds: tuple[DataKind, ...] = (expected.kind, *_RELATED_KINDS[expected.kind])
        store = known_ids.Store(self._s3, self._bucket, source.drop.shop, expected.known_by)
        expected = replace(expected, known={kind: store.load(kind) for kind in kinds})
        files = expected.settings.file_settings(expected.kind)
        with (
            tempfile.TemporaryDirectory() as folder,
            source.opened(files, scratch := Path(folder)) as table,
            part as target,
        ):
            lines = ItemLines(scratch) if expected.kind == "items" else None
            copied = source.noted(check_table(table, expected, target.write, scratch, target.place, lines))
            return self._accepted(copied, lines, source, expected, reporter)

    def _accepted(
        self, copied: Checked, lines: Listed | None, source: Source, expected: Expected, reporter: "_Reporter"
    ) -> Checked:
        """Store the refused rows of a drop, and its table of items.

        Raises:
            Rejected: the drop cannot be imported, or its shop does not want it to be.
        """
        reporter.store_rejects(copied)
        if problems := findings.problems(expected, copied.findings):
            error = TooManyRejects if findings.above_limit(expected, copied.findings) else Rejected
            raise error(expected.resource, "; ".join(problems))
        if suspicious := reporter.suspicious():
            raise Rejected(expected.resource, suspicious)
        if lines is None:
            return copied
        drop = source.drop
        version = hashlib.sha256(f"{self._request.run}/{drop.key}".encode()).hexdigest()[:12]
        no_table = item_files.write(self._s3, self._bucket, drop.shop, drop.mode, lines, version)
        notes = (*copied.findings.notes, *([no_table] if no_table else []))
        return replace(copied, findings=replace(copied.findings, notes=notes))

    def _proposal(self, drop: Drop, version: str | None, kind: DataKind, chosen: ShopSettings) -> Proposal | None:
        """Return settings with which a refused drop may be read, if its first rows ask for any."""
        with suppress(Rejected), tempfile.TemporaryDirectory() as folder:
            parts = list_parts(self._s3, self._request.bucket, drop, version)
            source = Source(self._s3, self._request.bucket, drop, parts)
            with source.opened(chosen.file_settings(kind), Path(folder)) as table:
                proposal = propose_settings(sample_table(drop.key, table), chosen, kind)
            # A file without id columns is probably the wrong file.
            other = proposal is None or {"USER_ID", "ITEM_ID", "TIMESTAMP"} & set(proposal.missing)
            return proposal if proposal and not other and not proposal.empty else None
        return None

    def _history_size(self, each: Joined) -> int:
        """Return the shop's interactions before an incremental drop."""
        own = sales.identity(each.key, each.version_id)
        counted = objects.list_keys(self._s3, self._request.bucket, sales.folder(self._drop.shop))
        return sales.history(key for key in counted if own not in key)

    def _remove_counts(self, drops: Collection[Joined]) -> None:
        """Remove the counts of drops that a later run checks and counts again."""
        identities = {sales.identity(each.key, each.version_id) for each in drops}
        for key in objects.list_keys(self._s3, self._bucket, sales.folder(self._drop.shop)) if drops else ():
            if any(each in key for each in identities):
                objects.remove(self._s3, self._bucket, key)


class _Reporter:
    """Write the report on one drop."""

    def __init__(self, s3: "S3Client", request: PrepareRequest, about: Subject, part: int, last: changes.Last) -> None:
        self._s3 = s3
        self._bucket = request.bucket
        self._imported = request.ids
        self._about = about
        self._part = part
        self._last = last
        self._findings: Findings | None = None
        self._rejects = ""
        self._kept = 0

    def store_rejects(self, copied: Checked) -> None:
        self._findings = copied.findings
        if copied.rejects.rows:
            about = self._about
            self._rejects = report.rejects_key(about.shop, about.run, about.kind, self._part)
            self._kept = copied.rejects.written
            file = copied.rejects.file(copied.findings.origins)
            objects.put_bytes(self._s3, self._bucket, self._rejects, file, "text/csv; charset=utf-8")

    def suspicious(self) -> str:
        """Return why the shop's settings refuse a drop that could be imported; empty where they do not."""
        chosen = self._about.settings.changes
        return changes.refusal(report.document(self._about, self._findings, "", self._last), chosen)

    def refused(self, reason: str, proposal: Proposal | None) -> str:
        """Report a refused drop, with settings that may let it in; return the page's key."""
        page: str = self._write(reason, proposal.lines() if proposal else ())["page"]
        return page

    def accepted(self, copied: Checked, remarks: Collection[str]) -> Accepted:
        """Report an imported drop; `remarks` are about its settings."""
        about, results, rejected = self._about, copied.findings, copied.findings.rejected
        written = self._write("")
        interactions = about.kind == "interactions"
        if not interactions:
            # Ids of an earlier drop would be wrong if this one's cannot be compared.
            store = known_ids.Store(self._s3, self._bucket, about.shop, self._imported)
            store.put(about.kind, about.run, copied.ids or b"")
            for key in store.outdated(about.kind, about.run):
                objects.remove(self._s3, self._bucket, key)
        items = results.items.ids if results.items else results.accepted if about.kind == "items" else 0
        suspicious = [f"looks wrong: {each['told']}" for each in written["suspicions"]]
        notes = [*remarks, *suspicious, *results.notes]
        if rejected:
            were = "was" if rejected == 1 else "were"
            notes.append(f"{rejected:,} of {counted(results.rows, 'row')} {were} left out: {self._rejects}")
        notes += report.data_limits(about.settings, items, about.before + results.accepted if interactions else 0)
        return Accepted(
            copied.schema,
            results.accepted,
            tuple(notes),
            changed=bool(copied.layout.added),
            report=written["page"],
            rejects=rejected,
            events=results.event_types if interactions and about.mode == "FULL" else None,
        )

    def _write(self, reason: str, proposed: Sequence[str] = ()) -> report.Document:
        """Write the report, and return its document with the page's key as `page`; `proposed` are settings."""
        about = self._about
        document = report.document(about, self._findings, reason, self._last)
        document["rejects"] = {"key": self._rejects, "rows": self._kept} if self._rejects else None
        if proposed:
            document["proposed"] = list(proposed)
        name = report.key(about.shop, about.run, about.kind, self._part)
        objects.put_json(self._s3, self._bucket, f"{name}.json", document)
        objects.put_text(self._s3, self._bucket, f"{name}.html", report.page(document))
        return document | {"page": f"{name}.html"}


def _postponed(each: Joined, reason: str) -> LeftOut:
    return LeftOut(id=each.id, key=each.key, outcome="later", reason=reason)


def _content(digest: Digest, kind: DataKind, settings: ShopSettings) -> str:
    """Return the identity of a drop's content: its bytes and the settings that affect its import."""
    relevant = _settings_digest(kind, settings)
    return f"{digest.size}-{digest.hexdigest()}-{relevant}"


def _settings_digest(kind: DataKind, settings: ShopSettings) -> str:
    excluded = _OF_NO_DROP if kind == "interactions" else _OF_NO_DROP | _OF_TRAINING
    # Left out when true: digests from before the setting existed lack it.
    excluded |= {"deploy"} if settings.deploy else set()
    shared = settings.model_dump(mode="json", exclude={*excluded, *_SECTIONS})
    own = settings.own_file_settings(kind)
    relevant: Mapping[str, Any] = {"check": _CHECK, **shared, **({kind: own} if own else {})}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
