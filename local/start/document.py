# SPDX-License-Identifier: Apache-2.0
"""The settings.yaml that `start` writes, for a person to read and to change."""

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

import rich.text
from rich.console import Console
from table_intake.settings import yaml_core
from table_intake.wording import Text

from local.start.outlook import Outlook
from local.start.screen import Words

_PURPOSES = {
    "export": Text("start.section.export", "Which file is which, and how they are joined."),
    "interactions": Text("start.section.interactions", "Who had which item, and when: how these files are read."),
    "items": Text("start.section.items", "What the shop sells: how this file is read."),
    "users": Text("start.section.users", "Who buys: how this file is read."),
    "rejects": Text("start.section.rejects", "How many bad rows a file may have."),
    "domain": Text("start.section.domain", "Fixed at the shop's first drop."),
    "backend": Text("start.section.backend", "Who trains and answers: personalize or engine."),
    "language": Text("start.section.language", "Of reports and pages: en or ko."),
    "storefront": Text("start.section.storefront", "The shop in the browser."),
    "hash": Text("start.section.hash", "Columns whose values are replaced by a keyed hash."),
}
"""A line above a section, in the order in which sections stand."""
_BLOCK = frozenset({"columns", "defaults", "event_types"})
"""Members of a section with a line for each entry."""
_WIDTH = 76
"""Columns of a comment, beside its mark."""
_FILES = re.compile(r"^# files: ([0-9a-f]+)(?: ([0-9a-f]+))?$", re.MULTILINE)
"""The line that names the files, and the rest of the settings as they were written."""


def text(outlook: Outlook, name: str, files: str, words: Words) -> str:
    """Return the text of the settings: its document, with what is sure and in doubt as comments.

    Args:
        outlook: with all questions answered.
        name: of the shop.
        files: the digest of the files' names and bytes.
        words: renders a text in the shop's language.
    """
    written = Text(
        "start.written-for",
        "Settings of the shop {name}, written by `start` for {tables}.",
        name=name,
        tables=_of(outlook),
    )
    again = Text(
        "start.change", "Change what is wrong, and run the same `start` again: it takes the file as it stands."
    )
    above, below = [*_comment(words(written)), *_comment(words(again))], _body(outlook, words)
    rest = "\n".join([*above, *below])
    return "\n".join([*above, f"# files: {files} {digest(rest)[:16]}", *below])


def proposed(outlook: Outlook, words: Words) -> str:
    """Return settings with the questions that are open as comments, as `map` proposes them."""
    title = Text("start.proposed", "Settings for {tables}, as `map` proposes them.", tables=_of(outlook))
    return "\n".join([*_comment(words(title)), *_body(outlook, words)])


def _of(outlook: Outlook) -> str:
    return ", ".join(dict.fromkeys(role.table for role in outlook.roles))


def _body(outlook: Outlook, words: Words) -> list[str]:
    """Return the lines of a document, below what is sure, what was answered and what is open."""
    open_questions = [
        Text.joined(
            " ", [question.text, Text.joined("; ", [Text.joined(": ", pair) for pair in question.choices.items()])]
        )
        for question in outlook.questions
    ]
    lines = list[str]()
    titles = (Text("start.sure", "Sure"), Text("start.answered", "Answered"), Text("start.still-open", "Open"))
    for title, sentences in zip(titles, (outlook.sure, outlook.decided, open_questions), strict=True):
        if sentences:
            lines += ["#", f"# {words(title)}:"]
            for sentence in sentences:
                lines += _comment(words(sentence), "- ", "  ")
    order = {section: rank for rank, section in enumerate(_PURPOSES)}
    for section in sorted(outlook.settings, key=lambda section: order.get(section, len(order))):
        lines += ["", *_comment(words(_PURPOSES.get(section, ""))), *_section(section, outlook.settings[section])]
    return [*lines, ""]


def written_for(content: str) -> str:
    """Return the digest of the files for which `start` wrote settings; "" where it did not write them."""
    match = _FILES.search(content)
    return match[1] if match else ""


def untouched(content: str) -> bool:
    """Tell whether settings are as `start` wrote them."""
    match = _FILES.search(content)
    rest = f"{content[: match.start()]}{content[match.end() + 1 :]}" if match else ""
    return match is not None and match[2] == digest(rest)[:16]


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _comment(sentence: str, first: str = "", rest: str = "") -> list[str]:
    """Return the lines of a comment; Hangul takes two columns."""
    printable = "".join(mark if mark.isprintable() else "\ufffd" for mark in sentence)
    if not printable:
        return []
    wrapped = rich.text.Text(printable).wrap(Console(), _WIDTH - len(first))
    return [f"# {rest if number else first}{line.plain.rstrip()}" for number, line in enumerate(wrapped)]


def _section(name: str, value: Any) -> list[str]:  # noqa: ANN401 - any document
    if not isinstance(value, Mapping) or name in {"rejects", "storefront"}:
        return _member(name, value)
    members = [line for member, content in value.items() for line in _member(member, content)]
    return [f"{name}:", *(f"  {line}" for line in members)]


def _member(name: str, content: Any) -> list[str]:  # noqa: ANN401 - any document
    """Return lines of YAML, whose innermost collections are on one line each, apart from those of :data:`_BLOCK`."""
    block = name in _BLOCK or not isinstance(content, Mapping | list | tuple)
    document = {name: [*content] if isinstance(content, tuple) else content}
    return yaml_core.dump(document, default_flow_style=False if block else None, width=math.inf).splitlines()
