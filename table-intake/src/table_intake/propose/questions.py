# SPDX-License-Identifier: Apache-2.0
"""What the files of an export leave open, and what each answer sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from table_intake.errors import Refused
from table_intake.settings.exports import ExportSettings
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

Document = Mapping[str, Any]
"""Settings as a file has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that only the shop can say."""

    id: str
    text: str
    choices: Mapping[str, str]
    """The answers, each with its meaning."""
    default: str | None
    """The answer that is taken where nobody says another; None where somebody must."""
    evidence: str
    """What the files say about it."""
    settings: Mapping[str, Document] = field(default_factory=dict, repr=False)
    """What an answer adds to the settings."""
    ends: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Answers with which nothing can be imported, each with what to do instead."""
    any_zone: bool = False
    """Whether every name of a time zone is an answer, too."""

    def effect(self, answer: str) -> Document:
        """Return what an answer adds to the settings.

        Raises:
            Refused: it is no answer to this question, or nothing can be imported with it.
        """
        if answer in self.ends:
            raise Refused(self.id, self.ends[answer])
        if answer in self.choices:
            return self.settings.get(answer, {})
        names = {"answer": repr(answer), "answers": ", ".join(self.choices)}
        if not self.any_zone:
            reason = Text("answer.none", "{answer} is no answer to this question: the answers are {answers}", **names)
            raise Refused(self.id, reason)
        try:
            FileSettings(timezone=answer)
        except ValidationError:
            reason = Text(
                "answer.zone", "{answer} is no time zone: answer {answers}, or another name like Europe/Paris", **names
            )
            raise Refused(self.id, reason) from None
        return {"interactions": {"timezone": answer}}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or some of its columns, that no recommendation needs or that fits nothing."""

    table: str
    columns: tuple[str, ...]
    """None of them where the whole file is left out."""
    reason: str
    rows: int = 0
    """The rows of a file that is left out, as far as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProposal:
    """How the files of an export belong together, the settings for it, and what only the shop can say."""

    export: ExportSettings
    settings: Document
    """The whole document for settings.yaml, with the section `export`; without what the questions leave open."""
    sure: tuple[str, ...]
    """What the files show, as sentences with their evidence."""
    questions: tuple[Question, ...]
    left_out: tuple[LeftOut, ...]
    currency: str | None = None
    """The currency of prices, where a column names one."""

    def answered(self, answers: Mapping[str, str]) -> "ExportProposal":
        """Return the proposal with some questions answered; the others stay.

        Raises:
            Refused: there is no such question, an answer is none, or nothing can be imported with it.
        """
        questions = {question.id: question for question in self.questions}
        document = self.settings
        for name, answer in answers.items():
            if name not in questions:
                reason = Text(
                    "answer.unknown",
                    "these files leave no such question open: the questions are {questions}",
                    questions=", ".join(questions) or Text("none", "none"),
                )
                raise Refused(name, reason)
            document = merged(document, questions[name].effect(answer))
        remaining = tuple(question for question in self.questions if question.id not in answers)
        export = ExportSettings.model_validate(document["export"])
        return replace(self, settings=document, questions=remaining, export=export)


def merged(document: Document, more: Document) -> dict[str, Any]:
    """Return settings with others added: lists grow, also of one that stands alone, and other values are replaced."""
    result = dict(document)
    for name, value in more.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = merged(before, value)
        elif isinstance(before, list | Mapping) and isinstance(value, list):
            members = before if isinstance(before, list) else [before]
            result[name] = [*members, *(member for member in value if member not in members)]
        else:
            result[name] = value
    return result
