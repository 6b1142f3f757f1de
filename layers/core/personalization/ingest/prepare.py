# SPDX-License-Identifier: Apache-2.0
"""Prepare a run from dropped objects: read, check and copy them, report on them, and plan what follows."""

import tempfile
from collections.abc import Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from table_intake import Checked, DataKind, Expected, Proposal, check_table, propose_settings, sample_table
from table_intake.check import changes
from table_intake.ranges.division import Division
from table_intake.ranges.merged import Merged
from table_intake.ranges.work import Work
from table_intake.read.archives import LARGEST

from personalization.core.aws import objects
from personalization.core.aws.objects import Digest
from personalization.core.errors import Rejected, intake_translated
from personalization.core.names import Names
from personalization.ingest import content, imports, known_ids, report, sales
from personalization.ingest.acceptance import Acceptance
from personalization.ingest.bucket import Bucket
from personalization.ingest.copies import Copies, Part, copies_of
from personalization.ingest.imports import Lineage
from personalization.ingest.item_lines import TOO_LARGE, ItemLines
from personalization.ingest.parts import list_parts
from personalization.ingest.report import Subject
from personalization.ingest.source import Source
from personalization.personalize import ensure, training
from personalization.personalize.ensure import recommender_statuses
from personalization.shop import keys, recommenders, settings_file
from personalization.shop.keys import Drop
from personalization.shop.plan import Joined, Last, LeftOut, Nothing, Plan, PrepareRequest, Retraining
from personalization.shop.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

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
            RetryLater, LimitReached, Broken: as in `aws.errors.Translating`.
        """
        request = self._request
        if request.retrain is not None:
            return self._retraining(request.retrain)
        joined = (Joined(id=request.id, key=request.key, version_id=request.version_id), *request.also)
        copies = self._copies
        plans: dict[int, Plan] = {}
        left_out: dict[int, LeftOut] = {}
        for part, joined_drop in enumerate(joined):
            if copies.before is not None and joined_drop.id in copies.before.left:
                left_out[part] = _postponed(joined_drop, _TOO_FEW)
                continue
            try:
                made = self._prepare(joined_drop, part)
            except Rejected as refused:
                if not request.also:
                    raise
                left_out[part] = LeftOut(
                    id=joined_drop.id, key=joined_drop.key, outcome="refused", reason=refused.reason
                )
                continue
            if isinstance(made, Nothing):
                return made
            if plans and made.schema_ != next(iter(plans.values())).schema_:
                reason = f"its columns differ from those of {request.key}: the next run imports it"
                left_out[part] = _postponed(joined_drop, reason)
            else:
                plans[part] = made
        for part in copies.cutter.postpone_rest():
            if plans.pop(part, None) is not None:
                left_out[part] = _postponed(joined[part], _TOO_FEW)
        copies.finish(len(joined), left_out.keys(), [drop.id for drop in left_out.values() if drop.reason == _TOO_FEW])
        jobs = 1 + len(copies.cutter.cuts)
        self._remove_counts([joined[part] for part, drop in left_out.items() if drop.outcome == "later"])
        if not plans:
            raise Rejected(request.key, "; ".join(f"{drop.key}: {drop.reason}" for drop in left_out.values()))
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
        return next((document for document in documents if document and document["key"] == last.key), None)

    def _prepare(self, joined: Joined, part: int) -> Plan | Nothing:
        """Check an object, write its import copy, its report and its refused rows, and plan what follows.

        Raises:
            Rejected: the key, the settings or the data are refused.
        """
        request, drop = self._request, keys.recognise(joined.key) if part else self._drop
        if drop.kind == "nothing":
            return Nothing(run=request.run, shop=drop.shop, kind=drop.kind, notes=("this object is not a drop",))
        kind = drop.data_kind
        if kind is None:
            which = settings_file.checked(self._s3, request.bucket, drop.shop)
            good = "the settings are good; the next drop follows them"
            return Nothing(run=request.run, shop=drop.shop, kind=drop.kind, notes=(good, which) if which else (good,))
        chosen, remarks = self._settings
        now = datetime.now(UTC)
        before = self._history_size(joined) if kind == "interactions" and drop.mode != "FULL" else 0
        subject = Subject(drop.shop, request.run, kind, drop.mode, joined.key, now, chosen, before)
        acceptance = Acceptance(self._s3, request, subject, part, self._last)
        try:
            self._check_readable(drop)
            expected = self._expected(drop, kind, chosen, now)
            source = Source(
                self._s3, request.bucket, drop, list_parts(self._s3, request.bucket, drop, joined.version_id)
            )
            copied = self._checked(joined, part, source, expected, acceptance)
            if isinstance(copied, Nothing):
                return copied
        except Rejected as refused:
            is_unreadable = refused.resource in request.unreadable
            proposal = None if is_unreadable else self._proposal(drop, joined.version_id, kind, chosen)
            page = acceptance.refused(refused.reason, proposal)
            flow = proposal.flow() if proposal and proposal.section else ""
            way = f"; the report proposes settings for it{f': {flow}' if len(flow) <= _FLOW else ''}" if flow else ""
            if way and proposal and proposal.choices:
                way += ", beside which dates must have one of the forms that it lists"
            raise type(refused)(refused.resource, f"{refused.reason}{way} (report: {page})") from None
        checked = acceptance.accepted(copied, remarks)
        if in_ranges := part in self._merged:
            store = known_ids.Store(self._s3, self._bucket, drop.shop)
            store.put_all(kind, request.run, self._merged[part].ids())
        milliseconds = int(now.timestamp() * 1000)
        self._copies.keep(milliseconds, part)
        if copied.sold is not None:
            identity = sales.identity(joined.key, joined.version_id)
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
            related: (self._request.run, *imported.get(related, ())) for related in _RELATED_KINDS[kind]
        }
        return {kind: imported.get(kind, ()), **others}

    @intake_translated()
    def _checked(
        self, joined: Joined, part: int, source: Source, expected: Expected, acceptance: Acceptance
    ) -> Checked | Nothing:
        """Check a drop that may be imported: in one pass, or where it is too large for one function in ranges."""
        request, drop, kind, chosen = self._request, source.drop, expected.kind, self._settings[0]
        last_import = request.latest_full if request.latest_full and expected.existing and request.may_skip else None
        bucket = Bucket(self._s3, self._bucket)
        division = Division(bucket, self._sizes.part)
        work: Work | None = None
        if drop.mode == "FULL" and request.may_divide and division.is_needed(source.parts):
            identity = sales.identity(joined.key, joined.version_id)
            work = Work(bucket, f"work/{drop.shop}/{request.run}/{identity}/")
            if (end := work.end()) is not None:
                self._merged[part] = Merged(work, *end)
                return self._concluded(self._merged[part], part, source, acceptance)
        if last_import and self._unchanged(source, kind, chosen):
            return imports.already_handled(drop, request.run, last_import)
        if work is not None:
            copies = f"{imports.copy_folder(drop.shop, request.run, kind)}part-{part}-"
            division.begin(work, expected, source.parts, copies)
            return imports.divided(drop, request.run, work.folder)
        return self._copy(source, expected, acceptance, self._copies.cutter.part(drop.key, joined.id, part))

    def _concluded(self, merged: Merged, part: int, source: Source, acceptance: Acceptance) -> Checked:
        """Add up what the ranges of a drop left, and leave none of their copies where it is refused."""
        self._copies.add(part, merged.copies)
        # An import reads its whole folder.
        for key in {*objects.list_keys(self._s3, self._bucket, merged.copies_prefix)} - {*merged.copies}:
            objects.remove(self._s3, self._bucket, key)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                with intake_translated():
                    copied = source.noted(merged.copied(Path(scratch)), merged.origins)
                lines = merged.lines(TOO_LARGE) if merged.expected.kind == "items" else None
                return acceptance.decide(copied, lines, merged.expected)
        except Rejected:
            self._copies.discard(part)
            raise

    def _unchanged(self, source: Source, kind: DataKind, chosen: ShopSettings) -> bool:
        """Tell whether a drop equals the imported one; it is read only if its size and the settings match."""
        content_before = self._request.latest_full.content if self._request.latest_full else ""
        return (
            content.is_known(content_before, source.parts.size, kind, chosen)
            and _content(source.read(), kind, chosen) == content_before
        )

    def _copy(
        self,
        source: Source,
        expected: Expected,
        acceptance: Acceptance,
        part: AbstractContextManager[Part],
    ) -> Checked:
        """Copy a drop in one pass, and leave nothing of the copy after an error."""
        kinds: tuple[DataKind, ...] = (expected.kind, *_RELATED_KINDS[expected.kind])
        store = known_ids.Store(self._s3, self._bucket, source.drop.shop, expected.known_by)
        expected = replace(expected, known_ids={kind: store.load(kind) for kind in kinds})
        files = expected.settings.file_settings(expected.kind)
        with (
            tempfile.TemporaryDirectory() as folder,
            source.opened(files, scratch := Path(folder)) as table,
            part as target,
        ):
            lines = ItemLines(scratch) if expected.kind == "items" else None
            copied = source.noted(check_table(table, expected, target.write, scratch, target.note_lines, lines))
            return acceptance.decide(copied, lines, expected)

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

    def _history_size(self, joined: Joined) -> int:
        """Return the shop's interactions before an incremental drop."""
        identity = sales.identity(joined.key, joined.version_id)
        counted = objects.list_keys(self._s3, self._request.bucket, sales.folder(self._drop.shop))
        return sales.history(key for key in counted if identity not in key)

    def _remove_counts(self, drops: Collection[Joined]) -> None:
        """Remove the counts of drops that a later run checks and counts again."""
        identities = {sales.identity(drop.key, drop.version_id) for drop in drops}
        for key in objects.list_keys(self._s3, self._bucket, sales.folder(self._drop.shop)) if drops else ():
            if any(identity in key for identity in identities):
                objects.remove(self._s3, self._bucket, key)


def _postponed(joined: Joined, reason: str) -> LeftOut:
    return LeftOut(id=joined.id, key=joined.key, outcome="later", reason=reason)


def _content(digest: Digest, kind: DataKind, settings: ShopSettings) -> str:
    return content.identity(digest.size, digest.hexdigest(), kind, settings)
