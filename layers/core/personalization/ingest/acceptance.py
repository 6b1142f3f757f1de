# SPDX-License-Identifier: Apache-2.0
"""Decide whether a checked drop is imported, leave its table of items and its refused rows, and report on it."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from table_intake import EVENTS, Checked, Expected, Proposal
from table_intake.check import changes, findings
from table_intake.check.findings import Findings
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected, TooManyRejects
from personalization.ingest import known_ids, report, training_checks
from personalization.ingest.imports import Accepted
from personalization.ingest.report import Subject
from personalization.reports import pages
from personalization.shop.keys import Drop
from personalization.shop.plan import Last, PrepareRequest
from personalization.shop.records import item_files
from personalization.shop.records.item_files import Listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FLOW = 2_000
"""Characters of proposed settings in a reason, at most."""


def last_reports(s3: "S3Client", request: PrepareRequest, drop: Drop) -> changes.Last:
    """Return the reports on what was imported last of a drop's kind."""

    def read(last: Last | None) -> report.Document | None:
        if last is None or drop.data_kind is None:
            return None
        stem = report.key(drop.shop, last.run, drop.data_kind, 0)
        documents = (
            objects.get_json(s3, request.bucket, key)
            for key in objects.list_keys(s3, request.bucket, stem)
            if key.endswith(".json")
        )
        return next((document for document in documents if document and document["key"] == last.key), None)

    return changes.Last(read(request.last), read(request.since))


class Acceptance:
    """Decide whether one drop is imported, and report on it.

    Args:
        s3, request: where the drop is, and the run that imports it.
        subject: the drop.
        part: its number among the drops of the run.
        last: the reports on what was imported last of its kind.
    """

    def __init__(
        self, s3: "S3Client", request: PrepareRequest, subject: Subject, part: int, last: changes.Last
    ) -> None:
        self._s3 = s3
        self._bucket = request.bucket
        self._imported = request.ids
        self._subject = subject
        self._part = part
        self._last = last
        self._findings: Findings | None = None
        self._document: report.Document = {}
        """That of an accepted drop."""
        self._of_training: list[Text] = []
        """Notes on the events that its recipes train on."""
        self._rejects = ""
        self._written_rejects = 0

    def decide(self, copied: Checked, lines: Listed | None, expected: Expected) -> Checked:
        """Store the refused rows of a drop, and its table of items.

        Raises:
            Rejected: the drop cannot be imported, or its shop does not want it to be.
        """
        self._store_rejects(copied)
        if problems := findings.problems(expected, copied.findings):
            error = TooManyRejects if findings.above_limit(expected, copied.findings) else Rejected
            raise error(expected.resource, Text.joined("; ", problems))
        if (subject := self._subject).kind == "interactions" and (subject.settings.events or subject.settings.training):
            whole = copied.findings if subject.mode == "FULL" else None
            checked = training_checks.check_events(expected.resource, subject.settings, copied.schema, whole)
            self._of_training = checked
        self._document = report.document(subject, copied.findings, "", self._last)
        if suspicious := changes.refusal(self._document, self._subject.settings.changes):
            raise Rejected(expected.resource, suspicious)
        if lines is None:
            return copied
        version = hashlib.sha256(f"{subject.run}/{subject.key}".encode()).hexdigest()[:12]
        no_table = item_files.write(
            self._s3, self._bucket, subject.shop, mode=subject.mode, listed=lines, version=version
        )
        notes = (*copied.findings.notes, *([no_table] if no_table else []))
        return replace(copied, findings=replace(copied.findings, notes=notes))

    def _store_rejects(self, copied: Checked) -> None:
        self._findings = copied.findings
        if copied.rejects.rows:
            subject = self._subject
            self._rejects = report.rejects_key(subject.shop, subject.run, subject.kind, self._part)
            self._written_rejects = copied.rejects.written
            file = copied.rejects.file(copied.findings.origins)
            objects.put_bytes(self._s3, self._bucket, self._rejects, file, "text/csv; charset=utf-8")

    def refused(self, refusal: Rejected, proposal: Proposal | None) -> Rejected:
        """Report a refused drop; return its refusal, with the page's key and settings that may let the drop in."""
        document = report.document(self._subject, self._findings, refusal.reason, self._last)
        lines = proposal.lines(partial(pages.said, language=self._subject.settings.language)) if proposal else []
        page = self._write(document | ({"proposed": lines} if lines else {}))
        flow = proposal.flow() if proposal and proposal.section else ""
        parts = [refusal.reason]
        if flow:
            way = Text("refused.proposed", "the report proposes settings for it")
            parts.append(Text.joined(": ", [way, flow]) if len(flow) <= _FLOW else way)
        reason = Text.joined("; ", parts)
        if flow and proposal and proposal.choices:
            forms = Text("refused.forms", "beside which dates must have one of the forms that it lists")
            reason = Text.joined(", ", [reason, forms])
        told = Text("refused.report", "{reason} (report: {page})", reason=reason, page=page)
        return type(refusal)(refusal.resource, pages.said(told, self._subject.settings.language))

    def accepted(self, copied: Checked, remarks: Collection[str], more_ids: Iterable[pl.Series] = ()) -> Accepted:
        """Report an imported drop.

        Args:
            copied: what its check found.
            remarks: about its settings.
            more_ids: the hashes of its ids by partition, where they are more than one file holds.
        """
        subject, results, rejected = self._subject, copied.findings, copied.findings.rejected
        page = self._write(self._document)
        interactions = subject.kind == "interactions"
        if subject.kind not in EVENTS:
            # Ids of an earlier drop would be wrong if this one's cannot be compared.
            store = known_ids.Store(self._s3, self._bucket, subject.shop, self._imported)
            store.put(subject.kind, subject.run, copied.ids or b"")
            store.put_all(subject.kind, subject.run, more_ids)
            for key in store.outdated(subject.kind, subject.run):
                objects.remove(self._s3, self._bucket, key)
        items = results.items.ids if results.items else results.accepted if subject.kind == "items" else 0
        text = "looks wrong: {told}"
        suspicious = [Text("note.suspicious", text, told=told["told"]) for told in self._document["suspicions"]]
        notes = [*remarks, *suspicious, *results.notes, *self._of_training]
        if rejected:
            text = "{bad:,} of {rows:,} {rows:row|rows} {bad:was|were} left out: {file}"
            notes.append(Text("note.left-out", text, bad=rejected, rows=results.rows, file=self._rejects))
        notes += report.data_limits(subject.settings, items, subject.before + results.accepted if interactions else 0)
        return Accepted(
            schema=copied.schema,
            rows=results.accepted,
            notes=tuple(notes),
            changed=bool(copied.layout.added),
            report=page,
            rejects=rejected,
            events=results.event_types if interactions and subject.mode == "FULL" else None,
        )

    def _write(self, document: report.Document) -> str:
        """Write the report; return its page's key."""
        subject = self._subject
        document["rejects"] = {"key": self._rejects, "rows": self._written_rejects} if self._rejects else None
        name = report.key(subject.shop, subject.run, subject.kind, self._part)
        page = report.page(document)
        return objects.put_report(self._s3, self._bucket, name, pages.with_codes(document), page)
