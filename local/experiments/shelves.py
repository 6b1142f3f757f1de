# SPDX-License-Identifier: Apache-2.0
"""``python -m local shelves``: what a shop's placements earned, as a table, and where its page is."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from personalization.core.aws import objects
from personalization.experiments.shelves.earnings import stem
from personalization.reports import pages
from table_intake.wording import Text

from local.cloud.environments import LocalError
from local.cloud.home import Home, require
from local.experiments.rounds import analyse
from local.experiments.running import Cloud
from local.terminal.output import Terminal

COLUMNS = (
    Text("shelves.column.shelf", "shelf"),
    Text("shelves.column.seen", "seen#"),
    Text("shelves.column.clicks", "clicks#"),
    Text("shelves.column.share", "clicked#"),
    Text("shelves.column.orders", "orders#"),
    Text("shelves.column.revenue", "revenue#"),
    Text("shelves.column.change", "before#"),
    Text("shelves.column.cost", "$ of 1,000#"),
)
_NONE = "-"
_LONGEST = 14


def main(options: Namespace, terminal: Terminal) -> None:
    """Analyse now, and show a period. Raises LocalError."""
    state = require(Home(options.run_dir))
    cloud = Cloud(state)
    with terminal.step("analysing"):
        failed = analyse(state)
    if options.shop in failed:
        raise LocalError("the analysis failed; see: python -m local logs AnalyseExperiments")
    period = options.period
    document = _report(cloud, options.shop, period or "week")
    if period is None and not document["shelves"]:
        # A new shop has nothing but today.
        period, document = "today", _report(cloud, options.shop, "today")
    address = f"s3://{cloud.bucket}/{stem(options.shop, document['period'])}.html"
    terminal.result({**document, "page": address}, lambda: show(document, address, terminal))


def show(document: Mapping[str, Any], address: str, terminal: Terminal) -> None:
    """Show a report as a table and sentences, in the shop's language."""
    terminal.language = document["language"]
    said = pages.translated(document, document["language"])
    if said["shelves"]:
        span = said["from"] if said["from"] == said["to"] else f"{said['from']} to {said['to']}"
        rows = [_row(shelf) for shelf in said["shelves"]]
        terminal.table([terminal.words(name) for name in COLUMNS], rows, f"{span} {said['currency']}".rstrip())
        terminal.spoken(said["sentence"])
        terminal.spoken(said["proof"])
    else:
        text = "No list was seen yet. The page says what to send first."
        terminal.spoken(terminal.words(Text("shelves.empty", text)))
    for finding in said["findings"]:
        terminal.spoken(finding)
    terminal.line(address)


def _report(cloud: Cloud, shop: str, period: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] | None = objects.get_json(cloud.s3, cloud.bucket, f"{stem(shop, period)}.json")
    if document is None:
        raise LocalError(f"{shop} has no placements: name them in its settings (docs/settings/placements.md)")
    return document


def _row(shelf: Mapping[str, Any]) -> Sequence[str]:
    figures, change = shelf["figures"], shelf["changes"].get("attributedRevenue")
    cost, share = figures["costPerThousandLists"], figures["vctr"]
    return (
        shelf["placement"] if len(shelf["placement"]) <= _LONGEST else f"{shelf['placement'][: _LONGEST - 1]}…",
        f"{figures['viewable'] or 0:,}",
        f"{figures['clicks'] or 0:,}",
        _NONE if share is None else f"{share:.1%}",
        f"{figures['orders'] or 0:,}",
        f"{figures['attributedRevenue'] or 0:,.0f}",
        _NONE if not change or change["share"] is None else f"{_SIGN[change['word']]}{change['share']:.0%}",
        _NONE if cost is None else f"{cost:,.2f}",
    )


_SIGN = {"more": "+", "less": "-", "same": "±"}
