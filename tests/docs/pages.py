# SPDX-License-Identifier: Apache-2.0
"""Reading the Markdown pages: their code, headings, anchors, links and tables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = [ROOT / folder / "README.md" for folder in ("engine", "storefront", "storefront/client", "table-intake")]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "engine/docs").rglob("*.md"), *LIBRARIES])
READMES = (ROOT / "README.md", ROOT / "README.ko.md")
SKIPPED = {".venv", ".local", ".aws-sam", ".git", "build"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(path: str | Path) -> str:
    """A file of the repository, as text."""
    return (ROOT / path).read_text(encoding="utf-8")


def name(page: Path) -> str:
    """A page's path inside the repository: the id of a parametrised test."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page, as (language, text)."""
    return FENCE.findall(read(page))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", read(page))


def code(page: Path) -> str:
    """All that a reader may copy from a page: shell blocks and `inline code`."""
    shell = [text for language, text in blocks(page) if language == "sh"]
    return "\n".join([*shell, *re.findall(r"`([^`\n]+)`", prose(page))])


def headings(page: Path) -> list[tuple[int, str]]:
    """(level, text) of each heading."""
    return [(len(marks), text) for marks, text in re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)]


def anchors(page: Path) -> set[str]:
    """The anchors that a renderer makes of the headings."""
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(page)}


def links(page: Path) -> list[str]:
    """Targets of links and images that stay inside the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def examples(folder: str, language: str) -> list[str]:
    """The fenced blocks of one language in a folder's pages; those of its README.md come first."""
    pages = sorted((ROOT / folder).glob("*.md"), key=lambda page: (page.name != "README.md", page))
    return [text for page in pages for kind, text in blocks(page) if kind == language]


def first_cells(text: str) -> list[str]:
    """The `code` that begins each row of the tables, and each entry of the lists, in a text."""
    return re.findall(r"^[|*] `([^`|]+)`", text, re.MULTILINE)


def section(page: str, heading: str) -> str:
    """The text under one heading, up to the next heading of any level."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", read(page), re.MULTILINE | re.DOTALL)
    assert match, f"{page} has no heading {heading!r}"
    return match[1]
