# SPDX-License-Identifier: Apache-2.0
"""Decide whether a checked drop is imported, leave its table of items and its refused rows, and report on it."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from table_intake import Checked, Expected, Proposal
from table_intake.check import changes, findings
from table_intake.check.findings import Findings
from table_intake.wording import counted

from personalization.core.aws import objects
from personalization.core.errors import Rejected, TooManyRejects
from personalization.ingest import known_ids, report
from personalization.ingest.imports import Accepted
from personalization.ingest.report import Subject
from personalization.shop import item_files
from personalization.shop.item_files import Listed
from personalization.shop.plan import PrepareRequest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
            raise error(expected.resource, "; ".join(problems))
        if suspicious := self._suspicious():
            raise Rejected(expected.resource, suspicious)
        if lines is None:
            return copied
        subject = self._subject
        version = hashlib.sha256(f"{subject.run}/{subject.key}".encode()).hexdigest()[:12]
        no_table = item_files.write(self._s3, self._bucket, subject.shop, subject.mode, lines, version)
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

    def _suspicious(self) -> str:
        """Return why the shop's settings refuse a drop that could be imported; empty where they do not."""
        chosen = self._subject.settings.changes
        return changes.refusal(report.document(self._subject, self._findings, "", self._last), chosen)

    def refused(self, reason: str, proposal: Proposal | None) -> str:
        """Report a refused drop, with settings that may let it in; return the page's key."""
        page: str = self._write(reason, proposal.lines() if proposal else ())["page"]
        return page

    def accepted(self, copied: Checked, remarks: Collection[str]) -> Accepted:
        """Report an imported drop; `remarks` are about its settings."""
        subject, results, rejected = self._subject, copied.findings, copied.findings.rejected
        written = self._write("")
        interactions = subject.kind == "interactions"
        if not interactions:
            # Ids of an earlier drop would be wrong if this one's cannot be compared.
            store = known_ids.Store(self._s3, self._bucket, subject.shop, self._imported)
            store.put(subject.kind, subject.run, copied.ids or b"")
            for key in store.outdated(subject.kind, subject.run):
                objects.remove(self._s3, self._bucket, key)
        items = results.items.ids if results.items else results.accepted if subject.kind == "items" else 0
        suspicious = [f"looks wrong: {suspicion['told']}" for suspicion in written["suspicions"]]
        notes = [*remarks, *suspicious, *results.notes]
        if rejected:
            were = "was" if rejected == 1 else "were"
            notes.append(f"{rejected:,} of {counted(results.rows, 'row')} {were} left out: {self._rejects}")
        notes += report.data_limits(subject.settings, items, subject.before + results.accepted if interactions else 0)
        return Accepted(
            copied.schema,
            results.accepted,
            tuple(notes),
            changed=bool(copied.layout.added),
            report=written["page"],
            rejects=rejected,
            events=results.event_types if interactions and subject.mode == "FULL" else None,
        )

    def _write(self, reason: str, proposed: Sequence[str] = ()) -> report.Document:
        """Write the report, and return its document with the page's key as `page`; `proposed` are settings."""
        subject = self._subject
        document = report.document(subject, self._findings, reason, self._last)
        document["rejects"] = {"key": self._rejects, "rows": self._written_rejects} if self._rejects else None
        if proposed:
            document["proposed"] = list(proposed)
        name = report.key(subject.shop, subject.run, subject.kind, self._part)
        objects.put_json(self._s3, self._bucket, f"{name}.json", document)
        objects.put_text(self._s3, self._bucket, f"{name}.html", report.page(document))
        return document | {"page": f"{name}.html"}
