# SPDX-License-Identifier: Apache-2.0
"""Prepare a run from dropped objects: read, check and copy them, report on them, and plan what follows."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from table_intake import Checked, DataKind, Expected, Proposal, check_table
from table_intake.check import changes
from table_intake.columns.header import canonical
from table_intake.ranges.merged import Merged
from table_intake.read.archives import LARGEST
from table_intake.wording import Language, Text

from personalization.auth.hash_key import LOST, Hash, fingerprint
from personalization.core.aws import objects
from personalization.core.errors import Broken, Rejected, intake_translated
from personalization.core.names import Names
from personalization.events import dropped_choices
from personalization.ingest import hashed_ids, imports, known_ids, retraining, sales, texts, training_checks
from personalization.ingest.acceptance import Acceptance, last_reports
from personalization.ingest.copies import Copies, copies_of
from personalization.ingest.hashed_ids import Hashed
from personalization.ingest.imports import Lineage
from personalization.ingest.item_lines import TOO_LARGE, ItemLines
from personalization.ingest.ranges import Ranges
from personalization.ingest.report import Subject
from personalization.ingest.services import Services
from personalization.ingest.source import Source
from personalization.personalize import ensure, metric_attributions
from personalization.shop import keys
from personalization.shop.keys import Drop
from personalization.shop.plan import Choices, Joined, LatestFull, LeftOut, Nothing, Plan, PrepareRequest
from personalization.shop.records.item_table import NAMES
from personalization.shop.settings import settings_file
from personalization.shop.settings.recipes import NEXT_BEST_ACTION, SEMANTIC
from personalization.shop.settings.settings import ShopSettings

_TOO_FEW = Text(
    "note.too-few",
    "has too few rows for an import job of its own, and the others leave no room for it: the next run imports it",
)
_OF_USERS: tuple[DataKind, ...] = ("users", "interactions", "action-interactions")
_RELATED_KINDS: dict[DataKind, tuple[DataKind, ...]] = {
    "interactions": ("users", "items"),
    "users": (),
    "items": (),
    "actions": (),
    "action-interactions": (),
}


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
        services: Services,
        names: Names,
        bucket: str,
        request: PrepareRequest,
        sizes: Sizes,
    ) -> None:
        self._s3, self._personalize, self._hash_key = services.s3, services.personalize, services.hash_key
        self._objections, self._services = services.objections, services
        self._deployment = names
        self._bucket = bucket
        self._request = request
        self._sizes = sizes
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
            return retraining.of_shop(
                self._services,
                self._deployment,
                request=request.replaced(bucket=self._bucket),
                wish=request.retrain,
                lineage=self._lineage,
            )
        joined = (Joined(id=request.id, key=request.key, version_id=request.version_id, at=request.at), *request.also)
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
                text = "its columns differ from those of {key}: the next run imports it"
                reason = Text("note.other-columns", text, key=request.key)
                left_out[part] = _postponed(joined_drop, reason)
            else:
                plans[part] = made
        for part in copies.cutter.postpone_rest():
            if plans.pop(part, None) is not None:
                left_out[part] = _postponed(joined[part], _TOO_FEW)
        copies.finish(len(joined), left_out.keys(), [drop.id for drop in left_out.values() if drop.reason == _TOO_FEW])
        jobs = 1 + len(copies.cutter.cuts)
        later = [
            sales.identity(drop.key, joined[part].version_id)
            for part, drop in left_out.items()
            if drop.outcome == "later"
        ]
        sales.forget(self._s3, self._bucket, self._drop.shop, later)
        if not plans:
            raise Rejected(request.key, "; ".join(f"{drop.key}: {drop.reason}" for drop in left_out.values()))
        plan = imports.merged([(joined[part].key, plan) for part, plan in plans.items()])
        if jobs > 1:
            followed = copies.before.runs if copies.before else ()
            plan = imports.split_into_jobs(plan, self._names, self._bucket, jobs, followed)
        return plan.replaced(left_out=tuple([left_out[part] for part in sorted(left_out)])) if left_out else plan

    @cached_property
    def _names(self) -> Names:
        """The names of the backend that the settings choose for the shop's data."""
        return self._deployment.on(self._settings[0].home)

    @cached_property
    def _drop(self) -> Drop:
        return keys.recognise(self._request.key)

    @cached_property
    def _copies(self) -> Copies:
        return copies_of(
            self._s3, self._personalize, self._names, request=self._request, drop=self._drop, most=self._sizes.job
        )

    @cached_property
    def _settings(self) -> tuple[ShopSettings, tuple[str, ...]]:
        return settings_file.settings_that_hold(self._s3, self._bucket, self._drop.shop)

    @cached_property
    def _hashed(self) -> Hashed:
        return hashed_ids.of_shop(self._s3, self._bucket, self._drop.shop)

    @cached_property
    def _has_users(self) -> bool:
        """Whether ids of users were imported."""
        datasets = (self._names.dataset(self._drop.shop, kind).arn for kind in _OF_USERS)
        kinds = zip(_OF_USERS, datasets, strict=True)
        return any(ensure.dataset_schema(self._personalize, kind, arn) for kind, arn in kinds)

    @cached_property
    def _by_key(self) -> Hash:
        """What hashes the ids of users by the key of the stack, which is made before the first of them."""
        # A container that has lived for long may have read another one.
        self._hash_key.forget()
        shop = self._drop.shop
        return self._hash_key.of(shop) if self._has_users else self._hash_key.made_for(shop)

    @cached_property
    def _last(self) -> changes.Last:
        return last_reports(self._s3, self._request, self._drop)

    def _prepare(self, joined: Joined, part: int) -> Plan | Nothing:
        """Check an object, write its import copy, its report and its refused rows, and plan what follows.

        Raises:
            Rejected: the key, the settings or the data are refused.
        """
        request, drop = self._request, keys.recognise(joined.key) if part else self._drop
        kind = drop.data_kind
        if drop.kind == "nothing" or kind is None:
            return self._without_data(drop)
        settings, remarks = self._settings
        now, identity = datetime.now(UTC), sales.identity(joined.key, joined.version_id)
        adds = kind == "interactions" and drop.mode != "FULL"
        before = sales.history_before(self._s3, self._bucket, drop.shop, identity) if adds else 0
        subject = Subject(
            shop=drop.shop,
            run=request.run,
            kind=kind,
            mode=drop.mode,
            key=joined.key,
            now=now,
            settings=settings,
            before=before,
        )
        acceptance = Acceptance(self._s3, request, subject, part, self._last)
        try:
            self._check_readable(drop)
            expected = self._expected(drop, kind, settings, now)
            if kind == "interactions" and settings.training:
                tables = training_checks.tables(self._s3, self._personalize, self._names, drop.shop, request)
                training_checks.check_columns(drop.key, settings, tables)
            source = Source.find(self._s3, self._bucket, drop, joined.version_id)
            with intake_translated():
                ranges = self._ranges(source, identity)
                merged = ranges.merged() if ranges else None
                if merged is not None:
                    copied = self._concluded(part, merged, source, acceptance)
                elif (last := self._unchanged(source, expected, settings)) is not None:
                    return imports.already_handled(drop, request.run, last, settings.language)
                elif ranges is not None:
                    ranges.begin(expected, source, f"{imports.copy_folder(drop.shop, request.run, kind)}part-{part}-")
                    return imports.divided(drop, request.run, ranges.folder)
                else:
                    copied = self._copied(part, joined, source, expected, acceptance)
        except Rejected as refused:
            unreadable = refused.resource in request.unreadable
            raise acceptance.refused(refused, None if unreadable else self._proposal(drop, joined, settings)) from None
        said = copied.choices
        choices, told = ((), ()) if said is None else self._chosen(said.iter_rows(), joined, part, now)
        checked = acceptance.accepted(copied, (*remarks, *told), merged.ids() if merged else ())
        if expected.hashed is not None:
            # Callers may name a property as the shop's files name its column.
            columns = (*copied.layout.hashed_names, *map(canonical, settings.hash))
            key = fingerprint(expected.hashed)
            self._hashed = hashed_ids.keep(self._s3, self._bucket, drop.shop, self._hashed, new=columns, key=key)
        checked = replace(checked, hashed=self._hashed.columns)
        milliseconds = int(now.timestamp() * 1000)
        self._copies.keep(milliseconds, part)
        if copied.sold is not None:
            key = sales.key(drop.shop, drop.mode, milliseconds, copied.sold.rows, identity)
            sales.keep(self._s3, self._bucket, key, copied.sold)
        # A drop too large for one function gets no digest, so its repeat is imported again.
        if drop.mode == "FULL" and (merged is None or source.size <= LARGEST):
            checked = replace(checked, content=source.content(kind, settings))
        plan = imports.plan(self._names, self._bucket, drop, lineage=self._lineage, settings=settings, checked=checked)
        plan = plan.replaced(choices=choices) if choices else plan
        trains = kind == "interactions" and not part
        return self._fitting(plan, settings, exists=expected.group is not None) if trains else plan

    def _chosen(
        self, said: Iterator[tuple[str, bool]], joined: Joined, part: int, now: datetime
    ) -> tuple[tuple[Choices, ...], tuple[Text, ...]]:
        """Store what users say about personal lists, which the import applies, and return it with a note."""
        shop, run = self._drop.shop, self._request.run
        data = dropped_choices.pack(said)
        key = imports.choices_key(shop, run, part)
        objects.put_bytes(self._s3, self._bucket, key, data, "application/gzip")
        changes = dropped_choices.count(self._objections, shop, dropped_choices.unpack(data))
        text = (
            "{came:,} {came:objection|objections} to personal lists {came:comes|come} with the import, and {went:,} "
            "{went:goes|go}"
        )
        at = datetime.fromisoformat(joined.at) if joined.at else now
        note = Text("note.choices", text, came=changes.came, went=changes.went)
        return (Choices(key=key, at=at.timestamp()),), (note,)

    def _fitting(self, plan: Plan, settings: ShopSettings, *, exists: bool) -> Plan:
        """Return the plan of a run that trains as it fits the shop's other data, and its resources if it `exists`.

        Raises:
            Rejected: it does not fit them.
        """
        if settings.metric_attribution:
            metric_attributions.check(self._personalize, self._names, plan, settings.metric_attribution)
        if {SEMANTIC, NEXT_BEST_ACTION} & {*settings.trained}:
            plan = texts.trainable(self._s3, self._personalize, self._bucket, plan)
        plan = imports.with_left_behind(self._personalize, self._names, plan, settings, made_on=self._services.made_on)
        return imports.with_existing(self._personalize, self._names, plan, settings) if exists else plan

    def _without_data(self, drop: Drop) -> Nothing:
        """Return the plan for an object without data: settings, which are checked, or no drop.

        Raises:
            Rejected: the settings are invalid.
        """
        notes: tuple[str, ...] = (Text("note.no-drop", "this object is not a drop"),)
        language: Language = "en"
        if drop.kind != "nothing":
            which = settings_file.checked(self._s3, self._bucket, drop.shop)
            good = Text("note.settings", "the settings are good; the next drop follows them")
            notes, language = (good, *([which] if which else [])), self._settings[0].language
        return Nothing(run=self._request.run, shop=drop.shop, kind=drop.kind, notes=notes, language=language)

    def _check_readable(self, drop: Drop) -> None:
        """Check that neither the drop nor a part of it has ended the process that read it."""
        for file, reason in self._request.unreadable.items():
            if file == drop.key or (drop.folder and file.startswith(drop.folder)):
                raise Rejected(file, Text.read(reason))

    def _expected(self, drop: Drop, kind: DataKind, settings: ShopSettings, now: datetime) -> Expected:
        """Return the requirements of a drop; its own ids are compared with those of earlier runs alone."""
        named, dataset = self._names.dataset_group(drop.shop), self._names.dataset(drop.shop, kind)
        group, domain = ensure.group_domain(self._personalize, named)
        existing = ensure.dataset_schema(self._personalize, kind, dataset.arn) if group else None
        imports.check_existing(drop, settings, domain, group=group is not None, dataset=existing is not None)
        if settings.is_on_both and drop.mode == "INCREMENTAL":
            imports.check_engine(self._personalize, self._names, drop.shop, kind, drop.key)
        imported, run, at = self._request.ids, self._request.run, int(now.timestamp())
        related = {other: (run, *imported.get(other, ())) for other in _RELATED_KINDS[kind]}
        known_by = {kind: imported.get(kind, ()), **related}
        return Expected(
            resource=drop.key,
            kind=kind,
            mode=drop.mode,
            settings=settings,
            existing=existing,
            now=at,
            group=group,
            known_by=known_by,
            item_names=NAMES if kind == "items" and SEMANTIC in settings.trained else (),
            hashed=self._hash(drop, settings),
        )

    def _hash(self, drop: Drop, settings: ShopSettings) -> Hash | None:
        """Return what hashes the ids of the shop's users; None where its settings hash none.

        Raises:
            Rejected: users' ids are of another kind than those that the shop has imported.
            Broken: the key of those is gone, or another one is in its place.
        """
        hashes, before = bool(settings.hash), self._hashed
        if not hashes and not before.key:
            return None
        if self._has_users and hashes != bool(before.key):
            raise hashed_ids.mixed(drop.key, hashes=hashes)
        hashed = self._by_key if hashes else None
        if before.key and (hashed is None or before.key != fingerprint(hashed)):
            if self._has_users:
                raise Broken(self._names.hash_key, f"another key for hashes of ids is in its place. {LOST}")
            self._hashed = hashed_ids.forget(self._s3, self._bucket, drop.shop)
        return hashed

    def _ranges(self, source: Source, identity: str) -> Ranges | None:
        """Return the ranges of a drop that is too large for one function."""
        request, drop = self._request, source.drop
        if drop.mode != "FULL" or not source.may_exceed(self._sizes.part):
            return None
        folder = f"work/{drop.shop}/{request.run}/{identity}/"
        ranges = Ranges(self._s3, self._bucket, folder, self._sizes.part)
        return ranges if ranges.are_needed(source) else None

    def _unchanged(self, source: Source, expected: Expected, settings: ShopSettings) -> LatestFull | None:
        """Return the last import, if the drop has its content and may therefore be skipped."""
        last = self._request.latest_full
        if last is None or not expected.existing:
            return None
        return last if source.has(last.content, expected.kind, settings) else None

    def _copied(self, part: int, joined: Joined, source: Source, expected: Expected, acceptance: Acceptance) -> Checked:
        """Check and copy a drop in one pass, and leave nothing of the copy after an error."""
        store = known_ids.Store(self._s3, self._bucket, source.drop.shop, expected.known_by)
        expected = replace(expected, known_ids={kind: store.load(kind) for kind in expected.known_by})
        files = expected.settings.file_settings(expected.kind)
        with (
            TemporaryDirectory() as folder,
            source.opened(files, scratch := Path(folder)) as table,
            self._copies.cutter.part(source.drop.key, joined.id, part) as target,
        ):
            lines = ItemLines(scratch) if expected.kind == "items" else None
            copied = source.noted(check_table(table, expected, target.write, scratch, target.note_lines, lines=lines))
            return acceptance.decide(copied, lines, expected)

    def _concluded(self, part: int, merged: Merged, source: Source, acceptance: Acceptance) -> Checked:
        """Add up what the ranges of a drop left, and leave none of their copies where it is refused."""
        self._copies.add(part, merged.copies)
        try:
            with TemporaryDirectory() as scratch, intake_translated():
                copied = source.noted(merged.copied(Path(scratch)), merged.origins)
                lines = merged.lines(TOO_LARGE) if merged.expected.kind == "items" else None
                return acceptance.decide(copied, lines, merged.expected)
        except Rejected:
            self._copies.discard(part)
            raise

    def _proposal(self, drop: Drop, joined: Joined, settings: ShopSettings) -> Proposal | None:
        """Return settings with which a refused drop may be read, if its first rows ask for any."""
        with suppress(Rejected):
            return Source.find(self._s3, self._bucket, drop, joined.version_id).proposal(settings)
        return None


def _postponed(joined: Joined, reason: str) -> LeftOut:
    return LeftOut(id=joined.id, key=joined.key, outcome="later", reason=reason)
