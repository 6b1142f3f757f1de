# SPDX-License-Identifier: Apache-2.0
"""Answers to what files leave open: by default, from a file, or typed at a terminal."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from table_intake import Question, Refused
from table_intake.settings import yaml_core
from table_intake.wording import Text

from local.cloud.environments import LocalError
from local.start.outlook import question_json

FOR = "for"
"""The member of a file of answers that says which questions they answer."""


class BadAnswers(LocalError):
    """Answers are missing, or do not fit the questions: the message says which, and how to give them."""

    code = 2


def digest(questions: Sequence[Question], headers: Mapping[str, Sequence[str]]) -> str:
    """Return a name for the questions that files with these columns raise; next month's export has the same one."""
    content = [
        sorted((question.id, sorted(question.choices)) for question in questions),
        sorted(map(list, headers.values())),
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:12]


def defaults(questions: Sequence[Question]) -> dict[str, str]:
    return {question.id: question.default for question in questions if question.default is not None}


def read(path: Path, questions: Sequence[Question], name: str) -> dict[str, str]:
    """Return the answers of a file to the questions that are named `name`.

    Raises:
        BadAnswers: it cannot be read, answers other questions, or gives an answer that a question does not take.
    """
    try:
        document = yaml_core.load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadAnswers(f"{path}: {error.strerror or error}") from None
    except (yaml_core.YAMLError, ValueError, RecursionError) as error:
        problem = str(error).splitlines()[0]
        raise BadAnswers(Text("start.no-yaml", "{path} is not YAML: {problem}", path=path, problem=problem)) from None
    if not isinstance(document, dict) or not all(isinstance(value, str | int | float) for value in document.values()):
        lines = Text("start.answer-lines", "{path} must have a line `QUESTION: answer` for each question:", path=path)
        raise BadAnswers(Text.joined("\n", [lines, template(questions, name)]))
    given = {str(key): str(value) for key, value in document.items()}
    if given.pop(FOR, None) != name:
        other = Text(
            "start.other-answers",
            "{path} answers the questions of other files: its line `for:` does not say {name}. These files ask",
            path=path,
            name=name,
        )
        raise BadAnswers(Text.joined("\n", [other, template(questions, name)]))
    by_id = {question.id: question for question in questions}
    unknown = sorted(set(given) - set(by_id))
    if unknown:
        names = ", ".join(unknown)
        raise BadAnswers(
            Text("start.unasked", "{path} answers {names}, which these files do not ask", path=path, names=names)
        )
    return {key: chosen(by_id[key], value) for key, value in given.items()}


def template(questions: Sequence[Question], name: str) -> Text:
    """Return a file of answers with the defaults, to be completed."""
    lines = [Text("start.answers-for", "{member}: {name}  # these questions", member=FOR, name=name)]
    for question in questions:
        value = yaml_core.dump({question.id: question.default or ""}, width=1000).rstrip("\n")
        lines.append(Text.joined("  # ", [value, "; ".join(question.choices) or question.text]))
    return Text.joined("\n", lines)


def chosen(question: Question, typed: str) -> str:
    """Return the answer that somebody typed: the number of a choice, the choice itself, or nothing for the default.

    Raises:
        BadAnswers: the question does not take it.
    """
    text, choices = typed.strip(), [*question.choices]
    if not text and question.default is not None:
        return question.default
    if text not in question.choices and text.isdecimal() and 0 < int(text) <= len(choices):
        text = choices[int(text) - 1]
    try:
        question.effect(text)
    except Refused as refused:
        raise BadAnswers(Text.joined(": ", [question.id, refused.reason])) from None
    return text


def missing(questions: Sequence[Question], answers: Mapping[str, str], name: str) -> BadAnswers:
    """Return the refusal where nobody can be asked."""
    rest = [question for question in questions if question.id not in answers]
    lines: list[str] = [
        Text(
            "start.nobody",
            "{rest:,} {rest:question is|questions are} open, and nobody is there to answer:",
            rest=len(rest),
        )
    ]
    for question in rest:
        lines.append(Text.joined(": ", [f"  {question.id}", question.text]))
        lines += [_choice(choice, meaning) for choice, meaning in question.choices.items()]
    if all(question.default is not None for question in rest):
        way_out = "--yes takes the defaults. Or put answers into a file and give it with --answers:"
        lines.append(Text("start.yes-or-answers", way_out))
    else:
        lines.append(Text("start.answers", "Put answers into a file and give it with --answers:"))
    refusal = BadAnswers(Text.joined("\n", [*lines, template(rest, name)]))
    refusal.details = {FOR: name, "questions": [*map(question_json, rest)]}
    return refusal


def _choice(choice: str, meaning: str) -> str:
    return Text.joined(": ", [f"    {choice}", meaning]) if meaning else f"    {choice}"


def ask(questions: Sequence[Question], say: Callable[[str], None], listen: Callable[[str], str]) -> dict[str, str]:
    """Ask each question until its answer is one that it takes.

    Args:
        questions: what is open.
        say: shows a line.
        listen: shows a prompt and returns the line that is typed; raises EOFError where the input ends.
    """
    answers: dict[str, str] = {}
    for number, question in enumerate(questions, 1):
        say("")
        count = Text("start.of", "{number} of {all}", number=number, all=len(questions))
        say(Text.joined("  ", [count, question.text]))
        if question.evidence:
            say(Text.joined("   ", ["", question.evidence]))
        for choice, (value, meaning) in enumerate(question.choices.items(), 1):
            mark = [Text("start.enter", "(Enter)")] if value == question.default else []
            chosen_by = Text.joined("  ", [f"   {choice}", value])
            say(Text.joined("  ", [Text.joined(": ", [chosen_by, meaning]) if meaning else chosen_by, *mark]))
        while question.id not in answers:
            try:
                answers[question.id] = chosen(question, listen(Text("start.answer", "answer: ")))
            except BadAnswers as refused:
                say(Text.joined("   ", ["", refused.said]))
    return answers
