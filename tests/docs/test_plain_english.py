# SPDX-License-Identifier: Apache-2.0
"""Texts that users read are plain English: phrases that readers stumbled over do not come back."""

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, SKIPPED, name, prose, read

ODD = {
    r"is what costs": "is the largest part of the bill",
    r"quality your data promise": "how good recommendations from your data would be",
    r"learned what they mix": "leave out how the code came to be",
    r"all else of": "everything else of",
    r"the defaults hold": "a shop has the defaults",
    r"the newest holds": "the newest one counts",
    r"poor shelf|no shelf": "say what the list has too much of",
    r"what nothing else can": "if there are too few others",
    r"what no header says": "A column about which no header says anything",
    r"they decide nothing": "are used for estimates only",
    r"not as (?:it|they) must be": "is invalid",
    r"nothing of it was promoted": "it has no release yet",
    r"is asked for the": "say what it makes",
    r"the next turn": "starts before any further run",
    r"nobody waits for|so that nobody waits": "it is out of date",
    r"words for no value": "look like missing values",
    r"\bthe way of an": "How … reaches …",
    r"whose jobs ask for them": "If a job needs it",
    r"foretell|foretold|nothing tells which": "predict, nothing to predict from",
    r"(?<!there )\b(?:is|are) no (?!longer|more|less|other)\w": "is not a",
    r"nobody but|of whom nothing": "only; without",
    r"where times are no clock": "if timestamps are only positions",
    r"tells what comes of": "cannot predict how it continues",
    r"let expect": "predict",
    r"is not known again": "its repeat is imported again",
    r"has taken up yet": "has loaded yet",
    r"none of their work": "does not belong to",
    r"moves nothing from": "cannot move a resource from",
    r"(?<!:)\bshoppers?\b(?! =|, [:#]|-)": "user, as in the glossary; a shop's own pages say customer",
}
"""Phrases (regular expressions, in small letters), and what to write instead."""


def sentences(text: str) -> str:
    """A text on one line, in small letters: a phrase may be divided by a line's end, and a comment's mark."""
    return re.sub(r"\s+(#:? )?", " ", text).lower()


def of_markdown(text: str) -> str:
    """The prose of a page, without `code`, and without the words that the glossary names to avoid them."""
    return re.sub(r"`[^`\n]*`|\(not: [^)]*\)", "", text)


def of_yaml(text: str) -> str:
    """Comments and texts of a YAML file, without `code`, {places to fill}, flow collections of names, and keys."""
    text = re.sub(r"`[^`\n]*`|\{[^{}\"\n]*\}|\[[^\[\]\"\n]*\]", "", text)
    return re.sub(r"^(\s*(?:- )?)[\w .-]+:(?= |$)", r"\1", text, flags=re.MULTILINE)


def of_python(text: str) -> str:
    """The string literals of a module that have a space, its docstrings excepted."""
    nodes = list(ast.walk(ast.parse(text)))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in alone)
    return "\n".join(node.value for node in constants if isinstance(node.value, str) and " " in node.value)


def of_javascript(text: str) -> str:
    return "\n".join(re.findall(r'"([^"]*)"', text))


def files(*patterns: str) -> list[Path]:
    paths = (path for pattern in patterns for path in ROOT.glob(pattern))
    return sorted(path for path in paths if not SKIPPED & set(path.relative_to(ROOT).parts))


TEXTS = (
    (of_markdown, PAGES),
    (
        of_yaml,
        files("layers/**/texts/*.yaml", "local/**/texts/*.yaml", "*.yaml", "stacks/*.yaml", "statemachines/*.yaml"),
    ),
    (of_python, files("layers/core/**/*.py", "functions/**/*.py", "local/**/*.py", "engine/src/**/*.py")),
    (of_javascript, files("storefront/js/i18n.js")),
)
"""What users read, and how to take it from its files."""


@pytest.mark.parametrize(("read_texts", "paths"), TEXTS, ids=lambda value: getattr(value, "__name__", ""))
def test_texts_have_no_phrase_that_readers_stumbled_over(read_texts: Callable[[str], str], paths: list[Path]) -> None:
    odd = re.compile("|".join(f"({phrase})" for phrase in ODD))
    better, hits = list(ODD.values()), []
    for path in paths:
        text = sentences(read_texts(prose(path) if path.suffix == ".md" else read(path)))
        for hit in odd.finditer(text):
            excerpt = text[max(hit.start() - 40, 0) : hit.end() + 30]
            hits.append(f"{name(path)}: …{excerpt}…; better: {better[(hit.lastindex or 1) - 1]}")
    assert not hits, "\n".join(hits)


COUNTED = re.compile(r" (?:(?:good|bad|blank|different|empty|more|other|such) )?(?!is|has|was|bytes)\w+s\b")


def counts(text: str) -> Iterator[str]:
    """Yield what a module writes as a number with a plural, such as ``{rows:,} rows``, whatever the number is."""
    for node in ast.walk(ast.parse(text)):
        for number, words in pairwise(node.values if isinstance(node, ast.JoinedStr) else ()):
            if isinstance(number, ast.FormattedValue) and isinstance(words, ast.Constant):
                written = ast.unparse(number.value)
                plain = written.startswith("len(") or ast.unparse(number.format_spec or ast.Constant("")) == "f','"
                if plain and not written.isupper() and COUNTED.match(str(words.value)):
                    yield f"{{{written}}}{words.value!r}"


def test_numbers_have_words_that_suit_them() -> None:
    paths = files("layers/core/**/*.py", "functions/**/*.py", "local/**/*.py")
    hits = [f"{name(path)}: {hit}" for path in paths for hit in counts(read(path))]
    assert not hits, "write these with counted() of table_intake.wording:\n" + "\n".join(hits)
