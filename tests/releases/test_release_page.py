# SPDX-License-Identifier: Apache-2.0
from html.parser import HTMLParser
from typing import Any

import pytest
from personalization.releases.report import page, with_lists
from personalization.shop.records.item_table import name_column

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


def test_the_run_s_other_pages_are_linked_in_words() -> None:
    text = page({**with_lists(JUDGED, {}), "pages": ["data-interactions.html", "data-users-1.html", "likelihood.html"]})
    assert '<a href="data-interactions.html">the dropped interactions</a>' in text
    assert '<a href="data-users-1.html">the dropped users, part 1</a>' in text
    assert '<a href="likelihood.html">likelihood</a>' in text


@pytest.mark.parametrize("backend", ["engine", "personalize"])
def test_a_recipe_on_another_backend_than_its_own_has_its_name(backend: str) -> None:
    alias = f"{backend}/popularity-count"
    text = page(with_lists({**JUDGED, "recipes": [{**RECIPE, "alias": alias}]}, {}))
    assert f"Popular items <small>{alias}</small>" in text


@pytest.mark.parametrize("after", [{}, AFTER])
def test_the_page_is_whole_and_needs_nothing_else(after: dict[str, Any]) -> None:
    text = page(with_lists(JUDGED, after))
    assert parsed(text).seen.count("article") == 50
    assert "http" not in text
    assert "prefers-color-scheme:dark" in text


def test_ids_and_names_are_text_and_never_markup() -> None:
    text = page(with_lists(JUDGED, {}))
    assert "User &lt;u0&gt;" in text
    assert "Salt &amp; Pepper" in text


def test_a_refused_release_says_that_nothing_changes() -> None:
    text = page(with_lists(JUDGED, {}))
    assert "Recipes approved: 0 of 1. Nothing changes for users" in text
    assert "Precision at 5: worse" in text
    assert "Not promoted." in text


def test_a_first_release_shows_its_lists_alone() -> None:
    text = page(with_lists(JUDGED | {"before": {}}, AFTER))
    parsed(text)
    assert "nothing served before this run" in text
    assert text.count("<h5>") == 1


def test_what_was_not_in_the_list_before_is_marked() -> None:
    whole = with_lists(JUDGED, AFTER)
    assert whole["lists"]["user-personalization"][0]["after"] == [
        {"itemId": "b", "name": ""},
        {"itemId": "c", "name": ""},
    ]
    assert page(whole).count('<span class="new">new</span></li>') == 1


@pytest.mark.parametrize(
    ("columns", "name"),
    [(["PRICE", "PRODUCT_NAME"], "PRODUCT_NAME"), (["TITLE", "NAME"], "NAME"), (["PRICE"], None), ([], None)],
)
def test_the_column_that_names_an_item_is_recognised(columns: list[str], name: str | None) -> None:
    assert name_column(columns) == name


TESTED: dict[str, Any] = {
    "days": 7, "cutOff": "2026-11-18T08:30:00Z", "trainedOn": 9_000, "heldOut": 1_000, "eventType": "Purchase",
    "shoppers": 120, "newShoppers": 3, "outcome": "judged", "reason": "", "boughtAgain": 0.25, "recipes": [
        {"alias": "user-personalization", "decision": "approved", "reason": "on <held-out> time it is better",
         "shoppers": 120, "lift": {"value": 1.5, "low": 1.2, "high": 1.9},
         "measures": {name: {"new": 0.3, "popularity": 0.2} for name in ("ndcg", "hitRate", "recall", "coverage")}},
        {"alias": "personalized-ranking", "decision": "unjudged", "reason": "only 12 users", "shoppers": 12},
    ],
}  # fmt: skip


def test_a_test_on_held_out_time_has_a_section_of_its_own() -> None:
    text = page(with_lists(JUDGED | {"heldOut": TESTED}, {}))
    parsed(text)
    assert "The last 7 days were held out" in text
    assert "<b>1.50 \u00d7</b> <small>1.20 \u2013 1.90" in text
    assert "On &lt;held-out&gt; time it is better." in text
    assert "On held-out time" not in page(with_lists(JUDGED, {}))


@pytest.mark.parametrize("outcome", ["tooLittle", "leaked"])
def test_a_test_that_did_not_judge_says_why(outcome: str) -> None:
    told = TESTED | {"outcome": outcome, "reason": "the import has <later> rows", "recipes": []}
    text = page(with_lists(JUDGED | {"heldOut": told}, {}))
    parsed(text)
    assert "The import has &lt;later&gt; rows" in text
