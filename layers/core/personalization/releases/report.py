# SPDX-License-Identifier: Apache-2.0
"""The report of a release: one JSON document, and an HTML page for retailers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from personalization.releases.gate import Judgement, Measured
from personalization.releases.verdicts import Verdict
from personalization.reports import pages

Document = Mapping[str, Any]
NAMES = ("name", "title", "productname", "itemname")
"""Columns that may name an item, reduced to letters."""


def name_column(columns: Sequence[str]) -> str | None:
    plain = {re.sub(r"[^a-z]", "", column.lower()): column for column in columns}
    return next((plain[name] for name in NAMES if name in plain), None)


def document(
    verdict: Verdict,
    judged: Sequence[Judgement],
    new: Mapping[str, Measured],
    old: Mapping[str, Measured],
    now: datetime,
) -> dict[str, Any]:
    """Return the document of a judged run; `with_lists` completes it.

    Args:
        verdict: the verdict.
        judged: a judgement of each recipe.
        new, old: the new versions and the serving ones, by recipe alias.
        now: the time.
    """
    return {
        "shop": verdict.shop,
        "run": verdict.run,
        "judgedAt": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "rows": verdict.rows,
        "recipes": [_recipe(each, new.get(each.alias), old.get(each.alias)) for each in judged],
    }


def _recipe(judged: Judgement, new: Measured | None, old: Measured | None) -> dict[str, Any]:
    fields = asdict(judged)
    camel = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): value for name, value in fields.items()}
    return {**camel, "metrics": {"new": new and new.metrics, "serving": old and old.metrics}}


def with_lists(document: Document, after: Mapping[str, Sequence[Document]]) -> dict[str, Any]:
    """Return the document with answers before and after the promotion side by side, by recipe and question.

    Args:
        document: with `before`: answers by recipe alias.
        after: the answers of the updated campaigns.
    """
    before: Mapping[str, Sequence[Document]] = document["before"]
    aliases = [each["alias"] for each in document["recipes"]]
    lists = {alias: _pairs(before.get(alias, ()), after.get(alias, ())) for alias in aliases}
    rest = {key: value for key, value in document.items() if key != "before"}
    return {**rest, "lists": {alias: pairs for alias, pairs in lists.items() if pairs}}


def _pairs(before: Sequence[Document], after: Sequence[Document]) -> list[dict[str, Any]]:
    old, new = ({reply["about"]: reply for reply in replies} for replies in (before, after))
    return [
        {"about": about, "before": _items(old.get(about)), "after": _items(new.get(about))}
        for about in dict.fromkeys([*new, *old])
    ]


def _items(reply: Document | None) -> list[dict[str, str]] | None:
    if reply is None:
        return None
    return [{"itemId": item, "name": reply["names"].get(item, "")} for item in reply["items"]]


def page(report: Document) -> str:
    return pages.render("release.html", report, stays=_stays)


def _stays(pairs: Sequence[Document]) -> float:
    """Return the mean share of items that stayed in the list over pairs of lists."""

    def stays(pair: Document) -> float:
        old, new = ({item["itemId"] for item in pair[side]} for side in ("before", "after"))
        return len(old & new) / len(new) if new else 0.0

    return sum(map(stays, pairs)) / len(pairs)
