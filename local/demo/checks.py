# SPDX-License-Identifier: Apache-2.0
"""What the demo must show: each function returns sentences that say what is missing, and none where all is there."""

from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from table_intake.wording import counted

from local.terminal.output import item_name, letters

Item = Mapping[str, Any]
_SHOWN = 3
"""Ids that a sentence names."""
_ROWS = ("li", "tr")
"""Elements of a report in which an item's id and its name belong together."""


def whole(what: str, items: Sequence[Item], count: int) -> Iterator[str]:
    """Check that a list has so many different items, each with a name and a price."""
    different = len({item["itemId"] for item in items})
    if (len(items), different) != (count, count):
        yield f"{what} has {counted(len(items), 'item')}, {different} of them different, instead of {count}"
    nameless = [item["itemId"] for item in items if item_name(item) == item["itemId"]]
    priceless = [item["itemId"] for item in items if not _has_price(item)]
    for lacking, word in ((nameless, "name"), (priceless, "price")):
        if lacking:
            yield f"{what} has {len(lacking)} of {counted(len(items), 'item')} without a {word}: {_some(lacking)}"


def personal(what: str, items: Sequence[Item]) -> Iterator[str]:
    """Check that a trained campaign answered, and not what stands in for it."""
    sources = sorted({str(item.get("source")) for item in items} - {"campaign", "cache"})
    if sources:
        yield f"{what} comes from {' and '.join(sources)}, and not from a trained campaign"


def differs(what: str, items: Sequence[Item], other: str, others: Sequence[Item]) -> Iterator[str]:
    """Check that two lists are not the same one."""
    if [item["itemId"] for item in items] == [item["itemId"] for item in others]:
        yield f"{what} is the same as {other}"


def verdict(state: str) -> list[str]:
    """Return what is wrong with the verdict on the simulated users, to whom own lists bring more by design."""
    return [] if state == "ship" else [f"the experiment with a planted lift ends {state}, and not with `ship`"]


def probabilities(what: str, items: Sequence[Item]) -> Iterator[str]:
    """Check that there are probabilities, and that they differ between items."""
    values = [item["probability"] for item in items]
    if outside := [value for value in values if not 0 <= value <= 1]:
        yield f"{what} has probabilities outside of 0 to 1: {outside}"
    if len(set(values)) < 2:
        yield f"{what} has the same probability for all items"


def named(page: str, html: str, names: Mapping[str, str]) -> Iterator[str]:
    """Check that a report names each item beside its id; `names` has items' names by id."""
    rows = _Rows()
    rows.feed(html)
    bare = {
        text
        for row in rows.rows
        for text in row
        if text in names and not any(names[text] in other for other in row if other != text)
    }
    if bare:
        yield f"{page} shows {counted(len(bare), 'item by its id', 'items by their ids')} alone: {_some(sorted(bare))}"


class _Rows(HTMLParser):
    """Collects the texts of each row of a page's lists and tables."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._open: list[list[str]] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in _ROWS:
            self._open.append([])

    def handle_endtag(self, tag: str) -> None:
        if tag in _ROWS and self._open:
            self.rows.append(self._open.pop())

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self._open[-1].append(data.strip())


def _has_price(item: Item) -> bool:
    try:
        return float(letters(item)["price"]) > 0
    except (KeyError, TypeError, ValueError):
        return False


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
