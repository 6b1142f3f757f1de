# SPDX-License-Identifier: Apache-2.0
"""What `start` makes of a shop's files before it does anything: what is sure, what is open, what is left out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from table_intake import DataKind, ExportProposal, LeftOut, Question, Sample, propose_export
from table_intake.settings.exports import ExportedTable, matching
from table_intake.settings.tables import TableSettings
from table_intake.wording import Language, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a kind of data is made of."""

    table: str
    kind: DataKind
    rows: int
    whole: bool
    """Whether it has no more rows than these, which were read."""
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Everything that the screen shows, and the settings that come of it."""

    roles: Sequence[Role]
    proposal: ExportProposal
    left_out: Sequence[LeftOut] = ()
    decided: Sequence[str] = ()
    """The questions that were answered, with their answers."""

    @property
    def sure(self) -> Sequence[str]:
        return self.proposal.sure

    @property
    def questions(self) -> Sequence[Question]:
        return self.proposal.questions

    @property
    def settings(self) -> Mapping[str, Any]:
        """The document of settings, without what open questions decide."""
        return self.proposal.settings

    @property
    def language(self) -> Language:
        """The language of the shop."""
        language: Language = self.settings.get("language", "en")
        return language

    def answered(self, answers: Mapping[str, str]) -> "Outlook":
        """Return the outlook with questions answered, by their ids. Raises Refused."""
        decided = [said(question, answers[question.id]) for question in self.questions if question.id in answers]
        return replace(self, proposal=self.proposal.answered(answers), decided=[*self.decided, *decided])

    def on(self, backend: str) -> "Outlook":
        """Return the outlook with who trains and answers among its settings."""
        settings = {**self.proposal.settings, "backend": backend}
        return replace(self, proposal=replace(self.proposal, settings=settings))

    def settled(self) -> "Outlook":
        """Return the outlook without questions, which settings have answered before."""
        return replace(self, proposal=replace(self.proposal, questions=()))


def look(
    samples: Mapping[str, Sample], settings: TableSettings, copies: Sequence[LeftOut], language: str = ""
) -> Outlook:
    """Return what files are, together.

    Args:
        samples: the first rows of each table, by its name.
        settings: what the shop has set, which stays.
        copies: the files that are left out before anybody looks into them.
        language: of reports and pages; without it, that of the columns' names.

    Raises:
        Refused: they are no shop's export.
    """
    proposal = with_currency(with_language(propose_export(samples, settings), samples, language), samples)
    roles = [
        Role(
            table=" + ".join([table.file, *(other.file for other in table.join)]),
            kind=kind,
            rows=sum(samples[name].read for name in matching(table.file, (*samples,))),
            whole=all(samples[name].whole for name in matching(table.file, (*samples,))),
            because=made_of(table),
        )
        for kind, table in reversed([*proposal.export.tables()])
    ]
    return Outlook(roles=roles, proposal=proposal, left_out=[*proposal.left_out, *copies])


def with_currency(proposal: ExportProposal, samples: Mapping[str, Sample]) -> ExportProposal:
    """Return the proposal with the currency of its prices for the storefront: a column names it, or is Korean."""
    shown = proposal.settings.get("storefront", {})
    if "currency" in shown:
        return proposal
    if re.fullmatch("[A-Z]{3}", proposal.currency or ""):
        return replace(proposal, settings=_with_currency(proposal.settings, str(proposal.currency)))
    if proposal.currency or not is_korean(samples):
        return proposal
    text = "prices are taken for won, since columns have Korean names (storefront: {{currency: KRW}})"
    settings, sentence = _with_currency(proposal.settings, "KRW"), Text("start.won", text)
    return replace(proposal, settings=settings, sure=(*proposal.sure, sentence))


def _with_currency(settings: Mapping[str, Any], currency: str) -> dict[str, Any]:
    return {**settings, "storefront": {**settings.get("storefront", {}), "currency": currency}}


def with_language(proposal: ExportProposal, samples: Mapping[str, Sample], language: str) -> ExportProposal:
    """Return the proposal with the language of reports and pages, where somebody or the columns say another one."""
    if language:
        return replace(proposal, settings={**proposal.settings, "language": language})
    if not is_korean(samples) or "language" in proposal.settings:
        return proposal
    sentence = Text("start.korean", "columns have Korean names, so reports and pages are in Korean (language: ko)")
    return replace(proposal, settings={**proposal.settings, "language": "ko"}, sure=(*proposal.sure, sentence))


def made_of(table: ExportedTable) -> str:
    """Say how the rows of a kind come about."""
    parts: list[str] = []
    if table.join:
        joined = [
            Text(
                "start.by",
                "{file} by {columns}",
                file=other.file,
                columns=", ".join(f"{column} = {key}" for column, key in other.by.items()),
            )
            for other in table.join
        ]
        parts = [Text("start.joined", "each row joined to {first}", first=joined[0])]
        parts += [Text("start.joined-then", "then to {other}", other=other) for other in joined[1:]]
        parts = [Text.joined(", ", parts)]
    if table.one_row_per:
        column = table.one_row_per
        parts.append(Text("start.newest", "one row for each {column}, with the newest values", column=column))
    return Text.joined("; ", parts) if parts else Text("start.each-row", "one row for each of its rows")


def said(question: Question, answer: str) -> str:
    """Say how a question was answered."""
    meaning = question.choices.get(answer, "")
    return Text.joined(" ", [question.text, Text.joined(": ", [answer, meaning]) if meaning else answer])


def is_korean(samples: Mapping[str, Sample]) -> bool:
    """Tell whether columns have Korean names."""
    return any(re.search("[\uac00-\ud7a3]", heading) for sample in samples.values() for heading in sample.header)


def as_json(outlook: Outlook) -> dict[str, Any]:
    return {
        "files": [
            {"file": role.table, "kind": role.kind, "rows": role.rows, "because": role.because}
            for role in outlook.roles
        ],
        "sure": [*outlook.sure],
        "answers": [*outlook.decided],
        "leftOut": [
            {"file": left.table, "columns": [*left.columns], "rows": left.rows, "reason": left.reason}
            for left in outlook.left_out
        ],
    }


def question_json(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "question": question.text,
        "choices": dict(question.choices),
        "default": question.default,
        "evidence": question.evidence,
    }
