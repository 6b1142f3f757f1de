# SPDX-License-Identifier: Apache-2.0
"""What `start` makes of a shop's files before it does anything: what is sure, what is in doubt, what is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from table_intake import DataKind, Proposal
from table_intake.propose.together import File, Proposals, personal_ids
from table_intake.settings import yaml_core

_ZONES = {
    "UTC": "they are in UTC",
    "Asia/Seoul": "Korea",
    "Europe/Berlin": "central Europe",
    "America/New_York": "the east of the USA",
}
"""Time zones that a question offers; any other can be typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that the files leave open. `choices` has what each answer means; without any, a text is asked for."""

    id: str
    text: str
    choices: Mapping[str, str]
    default: str | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file, or columns of one, that nothing reads, with the reason."""

    table: str
    reason: str
    columns: Sequence[str] = ()
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a file is taken for, and why."""

    table: str
    kind: DataKind
    rows: int
    because: str
    otherwise: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Everything that the screen shows, and the settings that come of it."""

    roles: Sequence[Role]
    sure: Sequence[str] = ()
    doubts: Sequence[str] = ()
    questions: Sequence[Question] = ()
    decided: Sequence[str] = ()
    """The questions that were answered, with their answers."""
    left_out: Sequence[LeftOut] = ()
    problems: Sequence[str] = ()
    """Why `start` cannot go on, each with its way out."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The document of settings, without what the questions decide."""

    @property
    def files(self) -> dict[DataKind, str]:
        """The table of each kind."""
        return {role.kind: role.table for role in self.roles}

    def with_left_out(self, more: Sequence[LeftOut]) -> "Outlook":
        return replace(self, left_out=[*self.left_out, *more])

    def answered(self, answers: Mapping[str, str]) -> "Outlook":
        """Return the outlook with questions answered, by their ids; an answer is a setting of its id's name."""
        settings: dict[str, Any] = {name: _copied(value) for name, value in self.settings.items()}
        for question in self.questions:
            if question.id in answers:
                *sections, name = question.id.split(".")
                section = settings
                for part in sections:
                    section = section.setdefault(part, {})
                section[name] = answers[question.id]
        decided = [said(question, answers[question.id]) for question in self.questions if question.id in answers]
        rest = [question for question in self.questions if question.id not in answers]
        return replace(self, settings=settings, questions=rest, decided=[*self.decided, *decided])


def said(question: Question, answer: str) -> str:
    """Say how a question was answered."""
    meaning = question.choices.get(answer, "")
    return f"{question.text} {answer}{f': {meaning}' if meaning else ''}"


def look_together(proposals: Proposals, base: Mapping[str, Any]) -> Outlook:
    """Return what files are that are read one by one; `base` is what the shop has set already."""
    settings: dict[str, Any] = dict(base)
    sure, doubts, problems = list[str](), list[str](), list[str]()
    questions, left_out, roles = list[Question](), list[LeftOut](), list[Role]()
    for file, proposal in proposals.used:
        role = Role(
            table=file.name,
            kind=proposal.kind,
            rows=file.sample.read,
            because=file.judgement.because,
            otherwise=file.judgement.otherwise,
        )
        roles.append(role)
        settings |= proposal.document()
        asked_for = [*_questions(file, proposal)]
        questions += asked_for
        if role.otherwise:
            doubts.append(f"{file.name} is taken for {proposal.kind}: {role.otherwise}")
        for remark in proposal.remarks:
            columns = remark.removeprefix(_UNNAMED)
            if columns != remark:
                left_out.append(LeftOut(table=file.name, reason=f"columns that nothing needs: {columns}"))
            elif not remark.startswith("no column looks like") and "take one of the lines with dates" not in remark:
                sure.append(f"{file.name}: {remark}")
        if personal := personal_ids(file.sample, proposal):
            doubts.append(
                f"the ids of users in {file.name} look like {personal}, which are personal data: better take the "
                "customer's number, if there is one"
            )
        without = {*proposal.missing}
        if proposal.kind == "items" and without and without <= {"PRICE", "CATEGORY_L1"}:
            settings["domain"] = "custom"
            doubts.append(
                f"no column of {file.name} looks like {' or '.join(sorted(without))}, so this becomes a shop of domain "
                "custom, which never changes"
            )
        elif without:
            problems.append(
                f"no column of {file.name} looks like {' or '.join(sorted(without))}. Name it in a file of settings, "
                f"such as {proposal.kind}: {{columns: {{NAME: {min(without)}}}}}, and give that with --settings"
            )
    for file, reason in proposals.left_out:
        kind = file.judgement.kind
        if kind == "interactions":
            problems.append(
                f"{file.name}: {reason}. Parts of one export go into a folder, and start takes the folder; files of "
                "two shops are started one after the other, each with its --shop"
            )
        left_out.append(LeftOut(table=file.name, reason=reason, rows=file.sample.read))
    if not any(role.kind == "interactions" for role in roles):
        problems.append(
            "none of the files has interactions: rows that say which user had which item, and when. Add the file of "
            "orders or of events"
        )
    return Outlook(
        roles=roles,
        sure=sure,
        doubts=doubts,
        questions=questions,
        left_out=left_out,
        problems=problems,
        settings=settings,
    )


_UNNAMED = "left out, since columns does not name them: "


def _questions(file: File, proposal: Proposal) -> list[Question]:
    """Return what a proposal leaves to somebody who knows the shop."""
    open_settings: dict[str, dict[str, str]] = {}
    for line in proposal.choices:
        setting, _, meaning = line.partition("  # ")
        ((name, value),) = yaml_core.load(setting).items()
        open_settings.setdefault(name, {})[str(value)] = meaning
    questions = [
        Question(
            id=f"{proposal.kind}.{name}",
            text=f"Which {name} has {file.name}?",
            choices=choices,
            evidence=next((remark for remark in proposal.remarks if f"lines with {name}" in remark), ""),
        )
        for name, choices in open_settings.items()
    ]
    if any(line.startswith("timezone:") for line in proposal.options) and proposal.kind == "interactions":
        text = f"In which time zone are the times of {file.name}?"
        questions.append(Question(id=f"{proposal.kind}.timezone", text=text, choices=_ZONES, default="UTC"))
    return questions


def _copied(value: Any) -> Any:  # noqa: ANN401 - any document
    return {name: _copied(member) for name, member in value.items()} if isinstance(value, Mapping) else value
