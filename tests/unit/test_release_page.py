# SPDX-License-Identifier: Apache-2.0
from html.parser import HTMLParser
from typing import Any

import pytest
from personalization.release_page import page
from personalization.release_report import name_column, with_lists

VOID = {"meta", "br"}
RECIPE: dict[str, Any] = {
    "alias": "user-personalization", "decision": "refused", "reason": "precision_at_5: worse",
    "metric": "precision_at_5",
    "new": 0.1, "popularity": 0.2, "serving": None, "servingPopularity": None, "lift": 0.5, "servingLift": None,
    "metrics": {"new": {"precision_at_5": 0.1}, "serving": None},
}  # fmt: skip
JUDGED: dict[str, Any] = {
    "shop": "demo", "run": "run-1", "judgedAt": "2026-11-25T08:30:00Z", "outcome": "refused", "reason": "worse",
    "rows": 1200, "recipes": [RECIPE], "before": {"user-personalization": [
        {"about": f"<u{n}>", "items": ["a", "b"], "names": {"a": "Salt & Pepper"}} for n in range(50)
    ]},
}  # fmt: skip
AFTER = {"user-personalization": [{"about": "<u0>", "items": ["b", "c"], "names": {}}]}


class Nesting(HTMLParser):
    """Holds that every element is closed where it must be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}
        self.seen.append(tag)
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Nesting:
    reader = Nesting()
    reader.feed(text)
    assert reader.open == []
    return reader


@pytest.mark.parametrize("after", [{}, AFTER])
def test_the_page_is_whole_and_needs_nothing_else(after: dict[str, Any]) -> None:
    text = page(with_lists(JUDGED, after))
    assert parsed(text).seen.count("article") == 50
    assert "http" not in text
    assert "prefers-color-scheme:dark" in text


def test_ids_and_names_are_text_and_never_markup() -> None:
    text = page(with_lists(JUDGED, {}))
    assert "Shopper &lt;u0&gt;" in text
    assert "Salt &amp; Pepper" in text


def test_a_refused_release_says_that_nothing_changes() -> None:
    text = page(with_lists(JUDGED, {}))
    assert "0 of 1 recipes approved. Nothing changes for shoppers" in text
    assert "Precision at 5: worse" in text
    assert "Not promoted." in text


def test_what_was_not_in_the_list_before_is_marked() -> None:
    whole = with_lists(JUDGED, AFTER)
    assert whole["lists"]["user-personalization"][0]["after"] == [
        {"itemId": "b", "name": ""},
        {"itemId": "c", "name": ""},
    ]
    assert page(whole).count("<span class=new>new</span></li>") == 1


@pytest.mark.parametrize(
    ("columns", "name"),
    [(["PRICE", "PRODUCT_NAME"], "PRODUCT_NAME"), (["TITLE", "NAME"], "NAME"), (["PRICE"], None), ([], None)],
)
def test_the_column_that_names_an_item_is_recognised(columns: list[str], name: str | None) -> None:
    assert name_column(columns) == name
