# SPDX-License-Identifier: Apache-2.0
"""docs/messages.md quotes what the code says: a message that has changed is found here."""

import ast
import re
from collections.abc import Iterator

from tests.docs.pages import ROOT, read

SOURCES = ("local/**/*.py", "layers/core/personalization/**/*.py", "table-intake/src/**/*.py")
GAP = "…"
"""What stands for a part that differs, in the page and in the code."""


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts of a module with a gap for each value that is filled in, by f-strings or by `Text`."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield "".join(map(str, parts))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"\{[^{}]*\}", GAP, node.value.replace("{{", "").replace("}}", ""))
    for child in ast.iter_child_nodes(node):
        yield from texts(child)


def plain(text: str) -> str:
    """A text without marks of code, and without gaps at its ends."""
    return re.sub(r"\s+", " ", text.replace("`", "").replace("'", "")).strip(f"{GAP} ")


def test_every_quoted_message_is_one_of_the_code() -> None:
    code = {
        plain(text)
        for pattern in SOURCES
        for path in ROOT.glob(pattern)
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
    }
    cells = re.findall(r"^\| (.*?`.*?) \|", read("docs/messages.md"), re.MULTILINE)
    messages = [plain(message) for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    assert len(messages) > 25
    assert [message for message in messages if not any(message in text for text in code)] == []
