# SPDX-License-Identifier: Apache-2.0
"""The settings.yaml that `start` writes, for a person to read and to change."""

import hashlib
import math
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from table_intake.settings import yaml_core

from local.start.outlook import Outlook

_PURPOSES = {
    "export": "Which file is which, and how they are joined.",
    "interactions": "Who had which item, and when: how these files are read.",
    "items": "What the shop sells: how this file is read.",
    "users": "Who buys: how this file is read.",
    "rejects": "How many bad rows a file may have.",
    "domain": "Fixed at the shop's first drop.",
    "language": "Of reports and pages: en or ko.",
    "storefront": "The shop in the browser.",
    "hash": "Columns whose values are replaced by a keyed hash.",
}
"""A line above a section, in the order in which sections stand."""
_BLOCK = frozenset({"columns", "defaults", "event_types"})
"""Members of a section with a line for each entry."""
_FILES = re.compile(r"^# files: ([0-9a-f]+)$", re.MULTILINE)


def text(outlook: Outlook, name: str, files: str) -> str:
    """Return the text of the settings: its document, with what is sure and in doubt as comments.

    Args:
        outlook: with all questions answered.
        name: of the shop.
        files: the digest of the files' names and bytes.
    """
    tables = ", ".join(role.table for role in outlook.roles)
    lines = [
        *_comment(f"Settings of the shop {name}, written by `start` for {tables}."),
        *_comment("Change what is wrong, and run the same `start` again: it takes the file as it stands."),
        f"# files: {files}",
    ]
    return "\n".join([*lines, *_body(outlook)])


def proposed(outlook: Outlook) -> str:
    """Return settings with the questions that are open as comments, as `map` proposes them."""
    tables = ", ".join(role.table for role in outlook.roles)
    return "\n".join([*_comment(f"Settings for {tables}, as `map` proposes them."), *_body(outlook)])


def _body(outlook: Outlook) -> list[str]:
    """Return the lines of a document, below what is sure, what was answered and what is open."""
    open_questions = [
        f"{question.text} {'; '.join(f'{choice}: {meaning}' for choice, meaning in question.choices.items())}"
        for question in outlook.questions
    ]
    lines = list[str]()
    for title, sentences in (("Sure", outlook.sure), ("Answered", outlook.decided), ("Open", open_questions)):
        if sentences:
            lines += ["#", f"# {title}:"]
            for sentence in sentences:
                lines += _comment(sentence, "- ", "  ")
    order = {section: rank for rank, section in enumerate(_PURPOSES)}
    for section in sorted(outlook.settings, key=lambda section: order.get(section, len(order))):
        lines += ["", *_comment(_PURPOSES.get(section, "")), *_section(section, outlook.settings[section])]
    return [*lines, ""]


def written_for(content: str) -> str:
    """Return the digest of the files for which `start` wrote settings; "" where it did not write them."""
    match = _FILES.search(content)
    return match[1] if match else ""


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _comment(sentence: str, first: str = "", rest: str = "") -> list[str]:
    printable = "".join(mark if mark.isprintable() else "\ufffd" for mark in sentence)
    return textwrap.wrap(printable, 78, initial_indent=f"# {first}", subsequent_indent=f"# {rest}")


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
