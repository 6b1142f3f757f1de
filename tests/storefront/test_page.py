# SPDX-License-Identifier: Apache-2.0
"""Laws of the storefront's files: contrast, languages, nothing from elsewhere, small."""

import gzip
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "storefront"
SOURCES = sorted(path for path in FOLDER.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"})
STYLE = (FOLDER / "style.css").read_text()
PAIRS = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", STYLE)
COLOURS = [{name: pair[shade] for name, *pair in PAIRS} for shade in (0, 1)]
READ = [
    ("ink", "ground"), ("ink", "paper"), ("ink", "sunk"), ("soft", "ground"), ("soft", "paper"), ("soft", "sunk"),
    ("accent", "ground"), ("accent", "sunk"), ("on-accent", "accent"), ("ground", "entered"), ("ground", "ink"),
    ("entered", "paper"), ("entered", "sunk"), ("left", "paper"), ("left", "sunk"),
    ("moved", "paper"), ("moved", "sunk"),
]  # fmt: skip


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("shade", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "behind"), READ)
def test_text_can_be_read(text: str, behind: str, shade: int) -> None:
    lights = sorted(luminance(COLOURS[shade][name]) for name in (text, behind))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def test_both_languages_say_the_same_things() -> None:
    text = (FOLDER / "js/i18n.js").read_text()
    english, korean = (text[text.index(f"  {code}: {{") :].split("\n  },")[0] for code in ("en", "ko"))
    entries = [dict(re.findall(r'["\s]([\w.]+)"?: "([^"]*)"', part)) for part in (english, korean)]
    assert len(entries[0]) > 90
    assert set(entries[0]) == set(entries[1])
    for key, value in entries[0].items():
        assert set(re.findall(r"{\w+}", value)) == set(re.findall(r"{\w+}", entries[1][key])), key


def test_every_text_that_is_asked_for_is_there() -> None:
    told = set(re.findall(r'["\s]([\w.]+)"?: "', (FOLDER / "js/i18n.js").read_text()))
    used = {key for path in SOURCES for key in re.findall(r'\bt\("([\w.]+)"', path.read_text())}
    assert used - told == set()


def test_nothing_comes_from_elsewhere() -> None:
    for path in SOURCES:
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path


def test_it_is_light() -> None:
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in SOURCES) <= 150_000
    assert sum(path.stat().st_size for path in SOURCES) <= 150_000


def test_nothing_waits_for_a_module_to_name_it() -> None:
    page = (FOLDER / "index.html").read_text()
    assert '<link rel="preload" href="catalogue.json" as="fetch" crossorigin>' in page
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)
    modules = {path.relative_to(FOLDER).as_posix() for path in SOURCES if path.suffix == ".js"}
    # What is drawn is drawn in the demo alone, which imports it once it knows that it is the demo; hashes are made by
    # servers.
    assert sorted(preloaded) == sorted(modules - {"js/app.js", "js/tiles.js", "client/hash.js"})


def test_the_page_has_what_every_page_must_have() -> None:
    page = (FOLDER / "index.html").read_text()
    assert page.startswith("<!doctype html>")
    for part in (
        '<html lang="en">',
        "<title>",
        'name="viewport"',
        'name="description"',
        "<noscript>",
        'charset="utf-8"',
    ):
        assert part in page
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*src=)", page)


def test_each_source_begins_with_its_licence() -> None:
    assert [path.name for path in SOURCES if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]] == []
