# SPDX-License-Identifier: Apache-2.0
"""``python -m local experiment status`` and ``report``: what a shop's experiments say by now."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from personalization.core.aws import objects
from personalization.experiments.experiment import Experiment
from personalization.experiments.report import stem
from personalization.reports import pages

from local.cloud.environments import LocalError
from local.cloud.home import Home, State, require
from local.experiments.rounds import analyse
from local.experiments.running import Cloud, rows_of, waiting
from local.terminal.output import Terminal

COLUMNS = ("variant", "users#", "orders#", "per user#", "revenue#", "difference#", "95% interval#", "outcome")
_NONE = "-"


def status(options: Namespace, terminal: Terminal) -> None:
    """Show a shop's experiments, each with what its last report says."""
    cloud = Cloud(require(Home(options.run_dir)))
    experiments = cloud.experiments(options.shop).experiments
    told = {experiment.name: _report(cloud, options.shop, experiment.name) for experiment in experiments}

    def show() -> None:
        columns, rows = rows_of(experiments)
        terminal.table(columns, rows)
        for line in waiting(experiments):
            terminal.line(line)
        for name, document in told.items():
            if document is not None:
                terminal.line(f"{name}: {_said(document)['sentence']}")

    entries = [{"experiment": experiment.as_record(), "report": told[experiment.name]} for experiment in experiments]
    terminal.result({"experiments": entries}, show)


def report(options: Namespace, terminal: Terminal) -> None:
    """Have experiments analysed now, and show the figures of one or of all that ran. Raises LocalError."""
    state = require(Home(options.run_dir))
    cloud = Cloud(state)
    names = [experiment.name for experiment in _chosen(cloud, options)]
    entries = analysed(state, options.shop, names, terminal)
    terminal.result({"reports": entries}, lambda: show(entries, terminal))


def analysed(state: State, shop: str, names: Sequence[str], terminal: Terminal) -> Mapping[str, Mapping[str, Any]]:
    """Have a shop's experiments analysed now; return the reports of those that have begun. Raises LocalError."""
    cloud = Cloud(state)
    with terminal.step("analysing"):
        failed = analyse(state)
    if shop in failed:
        raise LocalError("the analysis failed; see: python -m local logs AnalyseExperiments")
    documents = {name: _report(cloud, shop, name) for name in names}
    made = {name: document for name, document in documents.items() if document is not None}
    if not made:
        raise LocalError(f"no experiment of {shop} has begun yet")
    return {name: {**document, "page": _page(cloud, shop, name)} for name, document in made.items()}


def show(entries: Mapping[str, Mapping[str, Any]], terminal: Terminal) -> None:
    """Show reports as tables and sentences, in the shop's language."""
    for name, document in entries.items():
        said = _said(document)
        terminal.table(
            COLUMNS, [_row(entry, said["control"]) for entry in said["variants"]], f"{name}: {said['goal']['text']}"
        )
        terminal.spoken(said["sentence"])
        for finding in said["findings"]:
            if not finding["hides"]:
                terminal.spoken(finding["text"])
        terminal.line(document["page"])


def _chosen(cloud: Cloud, options: Namespace) -> Sequence[Experiment]:
    experiments = cloud.experiments(options.shop).experiments
    if options.experiment is None:
        return experiments
    chosen = [experiment for experiment in experiments if experiment.name == options.experiment]
    if not chosen:
        names = ", ".join(experiment.name for experiment in experiments) or "none"
        raise LocalError(f"{options.shop} has no experiment {options.experiment}; it has {names}")
    return chosen


def _report(cloud: Cloud, shop: str, name: str) -> dict[str, Any] | None:
    document: dict[str, Any] | None = objects.get_json(cloud.s3, cloud.bucket, f"{stem(shop, name)}.json")
    return document


def _page(cloud: Cloud, shop: str, name: str) -> str:
    return f"s3://{cloud.bucket}/{stem(shop, name)}.html"


def _said(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a report in the shop's language."""
    return pages.translated(document, document["language"])


def _row(entry: Mapping[str, Any], control: str) -> Sequence[str]:
    outcome = "control" if entry["variant"] == control else _NONE
    result = entry["result"] or {"lift": None, "interval": None, "outcome": outcome}
    interval = result["interval"]
    return (
        entry["variant"],
        f"{entry['users']:,}",
        f"{entry['orders']:,}",
        _NONE if entry["ordersPerUser"] is None else f"{entry['ordersPerUser']:.4f}",
        f"{entry['revenue']:,.2f}",
        _NONE if result["lift"] is None else f"{result['lift']:+.1%}",
        _NONE if interval is None else f"{interval[0]:+.1%} to {interval[1]:+.1%}",
        result["outcome"],
    )
