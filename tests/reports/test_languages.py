# SPDX-License-Identifier: Apache-2.0
"""Every text has its Korean: catalogues agree, particles suit, and pages in Korean show no English but names."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from personalization.reports import pages
from table_intake import wording
from table_intake.wording import Text, fill

from local.terminal import speech

ROOT = Path(__file__).parents[2]
CATALOGUES = ("layers/core/personalization/reports/texts", "local/evaluation/texts")
SOURCES = ("table-intake/src", "layers/core/personalization", "local")
Leaves = Mapping[str, str]


def leaves(texts: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(texts, Mapping):
        for key, value in texts.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(texts, list):
        for number, value in enumerate(texts):
            yield from leaves(value, f"{path}/{number}")
    else:
        yield path, str(texts)


def catalogue(folder: str, language: str) -> Leaves:
    texts = yaml.safe_load((ROOT / folder / f"{language}.yaml").read_text(encoding="utf-8"))
    # Sentences of code have their English in the code, and an axis as many sizes as the language has words for.
    return {
        path: text
        for path, text in leaves(texts)
        if not path.startswith(("/sentences", "/timeline/sizes")) and path != "/language"
    }


def fields(template: str) -> set[str]:
    """Return the values that a template shows, also in words that are chosen by a number."""
    parsed = [(name.partition("[")[0], spec or "") for _, name, spec, _ in Formatter().parse(template) if name]
    shown = {name for name, spec in parsed if "|" not in spec}
    return shown.union(*(fields(spec) for _, spec in parsed if "|" in spec))


@pytest.mark.parametrize("folder", CATALOGUES)
def test_catalogues_have_the_same_texts_with_the_same_values(folder: str) -> None:
    english, korean = catalogue(folder, "en"), catalogue(folder, "ko")
    assert korean.keys() == english.keys()
    different = {path: (fields(english[path]), fields(korean[path])) for path in english}
    assert not {path: both for path, both in different.items() if not both[1] <= both[0]}
    plain = {path for path, text in korean.items() if re.fullmatch(r"[a-z][a-z ,.']+", text)}
    assert not plain


@pytest.mark.parametrize("folder", ["layers/core/personalization/reports/templates", "local/evaluation/templates"])
def test_pages_fill_in_texts_with_particles(folder: str) -> None:
    # `str.format` knows no {name:은/는}: a page that uses it fails in Korean alone.
    templates = sorted((ROOT / folder).glob("*.html"))
    assert templates
    plain = {path.name: re.findall(r"[\w\])]+\.format\(", path.read_text(encoding="utf-8")) for path in templates}
    assert not {name: calls for name, calls in plain.items() if calls}


@cache
def codes() -> list[tuple[str, str, set[str] | None]]:
    """Return the codes of all texts in code; see `_codes`."""
    return list(_codes())


def _codes() -> Iterator[tuple[str, str, set[str] | None]]:
    """Yield the code of each text in code, as a pattern, its line, and its values where they are written there."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Text", "wording.Text"}:
                    code = node.args[0]
                    if isinstance(code, ast.JoinedStr):
                        parts = (part.value if isinstance(part, ast.Constant) else None for part in code.values)
                        pattern = "".join(".+" if part is None else re.escape(str(part)) for part in parts)
                    elif isinstance(code, ast.Constant) and isinstance(code.value, str):
                        pattern = re.escape(code.value)
                    else:
                        continue
                    names = {keyword.arg for keyword in node.keywords}
                    values = None if None in names else {str(name) for name in names}
                    yield pattern, f"{path.relative_to(ROOT)}:{node.lineno}", values


def test_each_sentence_of_code_has_its_korean() -> None:
    korean = speech.sentences("ko")
    patterns = [(re.compile(pattern), line) for pattern, line, _ in codes()]
    assert not [f"{line}: {code.pattern}" for code, line in patterns if not any(map(code.fullmatch, korean))]
    # A code that is in no text, or no longer.
    sources = "".join(path.read_text() for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    unused = [code for code in korean if not any(pattern.fullmatch(code) for pattern, _ in patterns)]
    assert not [code for code in unused if f'"{code}"' not in sources]


def test_sentences_show_what_their_code_gives() -> None:
    korean = speech.sentences("ko")
    literal = {code for code in korean if re.escape(code) in {pattern for pattern, _, _ in codes()}}
    wrong = {
        line: (fields(korean[code]), values)
        for pattern, line, values in codes()
        if values is not None
        for code in korean
        if re.fullmatch(pattern, code) and (re.escape(code) == pattern or code not in literal)
        if not fields(korean[code]) <= values
    }
    assert not wrong


@pytest.mark.parametrize(
    ("value", "particles", "written"),
    [
        ("사용자", "은/는", "사용자는"),
        ("상품", "은/는", "상품은"),
        ("서울", "으로/로", "서울로"),
        ("부산", "으로/로", "부산으로"),
        ("1,000", "이/가", "1,000이"),
        ("12", "이/가", "12가"),
        ("7", "으로/로", "7로"),
        ("3", "으로/로", "3으로"),
        ("5%", "을/를", "5%를"),
        ("USER_ID", "이/가", "USER_ID가"),
        ("URL", "을/를", "URL을"),
        ("column", "을/를", "column을"),
        ("price", "을/를", "price를"),
        ("'abc'", "과/와", "'abc'와"),
        ("", "은/는", "는"),
    ],
)
def test_a_particle_suits_the_last_sound(value: str, particles: str, written: str) -> None:
    assert fill(f"{{value:{particles}}}", value=value) == written


@given(st.text(max_size=20), st.sampled_from(["은/는", "이/가", "을/를", "과/와", "으로/로", "이라/라"]))
def test_any_value_takes_a_particle(value: str, particles: str) -> None:
    assert fill(f"{{value:{particles}}}", value=value).removeprefix(value) in particles.split("/")


def test_a_number_is_formatted_before_its_particle() -> None:
    assert fill("{rows:,을/를} 가져옵니다", rows=1000) == "1,000을 가져옵니다"


def test_a_text_is_its_english_and_survives_json() -> None:
    inner = Text("line", "line {line:,}", line=1200)
    text = Text.joined("; ", [Text("rule.empty", "{column} is empty", column="PRICE"), inner, "a name"])
    assert text == "PRICE is empty; line 1,200; a name"
    stored = json.loads(json.dumps(pages.with_codes({"notes": [text, "plain"]})))
    assert stored["notes"] == [text, "plain"]
    assert pages.translated(stored, "ko")["notes"] == ["PRICE가 비어 있습니다. 1,200번째 줄. a name", "plain"]
    restored = wording.restored({"x": str(text)}, stored["texts"])
    assert isinstance(restored["x"], Text)
    assert restored["x"] == text


def test_what_has_no_korean_stays_english() -> None:
    document: dict[str, Any] = {"reason": Text("nowhere", "nothing of {name}", name="a")}
    assert pages.translated(document, "ko") == {"reason": "nothing of a"}
