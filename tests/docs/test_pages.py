# SPDX-License-Identifier: Apache-2.0
"""Links, anchors, headings: what a page says about other pages, and the two READMEs about each other."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from table_intake.settings import yaml_core

from tests.docs.pages import PAGES, READMES, ROOT, SKIPPED, anchors, blocks, headings, links, name, prose, read

KOREAN = [page for page in PAGES if page.name.endswith(".ko.md")]
DECISIONS = sorted({*ROOT.glob("docs/decisions/*.md")} - {ROOT / "docs/decisions/README.md"})
PARTS = ["Decision", "Why", "Rejected", "What would change it"]
SOURCES = ("*.py", "*.yaml", "*.sh", "Makefile", ".ci/run")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_page_has_one_title_and_skips_no_level(page: Path) -> None:
    levels = [level for level, _ in headings(page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_has_a_question_and_its_parts_and_the_index_has_it(page: Path) -> None:
    assert [text for level, text in headings(page) if level == 2] == PARTS
    title, _, question = read(page).split("\n## ")[0].removeprefix("# ").partition("\n\n")
    assert question.strip().endswith("?")
    assert f"* [{title}]({page.name})\n" in read("docs/decisions/README.md")
    assert len(read(page).split()) <= 400, "a decision that needs more is two"


@pytest.mark.parametrize(
    "page", [ROOT / folder / "CHANGELOG.md" for folder in (".", "engine", "table-intake")], ids=name
)
def test_a_change_is_a_line_that_a_user_understands(page: Path) -> None:
    sections = re.split(r"^## ", read(page), flags=re.MULTILINE)[1:]
    for section in sections:
        changes = re.findall(r"^\* (.*(?:\n  .*)*)", section, re.MULTILINE)
        assert len(changes) <= 60, section.splitlines()[0]
        assert [change for change in changes if len(change.split()) > 40] == []


def test_both_readmes_give_the_same_commands() -> None:
    english, korean = (blocks(page) for page in READMES)
    assert english == korean


def test_both_readmes_have_the_same_headings_and_links() -> None:
    english, korean = READMES
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(korean)]
    assert plain_links(english) == plain_links(korean)


def test_both_readmes_have_the_same_table_rows_and_figures() -> None:
    english, korean = (prose(page) for page in READMES)
    assert english.count("\n|") == korean.count("\n|")
    figures = re.compile(r"\$[\d.]+|FIGURE-[A-Z0-9-]+|\b\.\d{4}\b|\b\d+(?:\.\d+)? (?:ms|µs|s|MB)\b")
    assert sorted(figures.findall(english)) == sorted(figures.findall(korean))


@pytest.mark.parametrize("page", KOREAN, ids=name)
def test_a_korean_page_is_korean(page: Path) -> None:
    text = prose(page)
    assert len(re.findall(r"[가-힣]", text)) > len(text) / 5


@pytest.mark.parametrize("korean", KOREAN[1:], ids=name)
def test_a_page_says_the_same_in_both_languages(korean: Path) -> None:
    english = in_english(korean)
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(korean)]
    assert [prose(page).count("\n|") for page in (english, korean)] == [prose(korean).count("\n|")] * 2
    assert [prose(page).count("\n* ") for page in (english, korean)] == [prose(korean).count("\n* ")] * 2
    assert plain_links(english) == plain_links(korean)
    assert [*map(same_block, blocks(english))] == [*map(same_block, blocks(korean))]


def in_english(page: Path) -> Path:
    return page.with_name(page.name.replace(".ko.md", ".md"))


def plain_links(page: Path) -> set[str]:
    """The pages that a page of two languages leads to, whatever theirs, apart from its own other one."""
    targets = {re.sub(r"#.*", "", link).replace(".ko.md", ".md") for link in links(page)}
    return targets - {in_english(page).name}


def same_block(block: tuple[str, str]) -> tuple[str, object]:
    """A block without what each language has of its own: an option, comments, and the screen of a command."""
    language, text = block
    text = text.replace(" --language ko", "")
    if language == "yaml":
        return language, yaml_core.load(text)
    return language, text.splitlines()[0] if text.startswith("$ ") else text


def test_every_source_file_begins_with_its_licence() -> None:
    paths = {path for pattern in SOURCES for path in ROOT.rglob(pattern)}
    sources = [path for path in paths if not SKIPPED & set(path.relative_to(ROOT).parts)]
    written = [path for path in sources if path.stat().st_size]
    bare = [name(path) for path in written if "SPDX-License-Identifier: Apache-2.0" not in "".join(head(path))]
    assert sorted(bare) == []


def head(path: Path) -> list[str]:
    """The first two lines: the licence, or a `#!` and the licence."""
    return path.read_text(encoding="utf-8").split("\n", 2)[:2]
