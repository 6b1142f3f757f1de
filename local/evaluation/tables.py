# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""An evaluation on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.evaluation.words import TITLES, percent
from local.terminal.output import Terminal

Document = Mapping[str, Any]
TASKS = {
    "next": "What known shoppers took next",
    "discovery": "What was new to them: items they had taken before are left out",
    "ranking": "A list of 100 items in the right order",
    "strangers": "Shoppers without a past",
}
_MARKS = {"good": "green", "mixed": "yellow", "bad": "red"}


def show(found: Document, terminal: Terminal) -> None:
    """Print everything."""
    data, protocol = found["data"], found["protocol"]
    when = "positions in place of times" if data["times"] == "positions" else f"{data['first']} to {data['last']}"
    sizes = f"{data['interactions']:,} interactions of {data['shoppers']:,} shoppers with {data['items']:,} items"
    terminal.text(f"{sizes}, {when}")
    terminal.text(_how(protocol))
    for task in found["tasks"]:
        terminal.line("")
        _task(task, protocol["depth"], terminal)
    terminal.line("")
    terminal.table(
        ("trained", "seconds#", "processor seconds#"),
        [(TITLES[each["method"]], f"{each['seconds']:.1f}", f"{each['cpuSeconds']:.1f}") for each in found["training"]],
    )
    for each in found["words"]:
        terminal.out.print(f"\n[bold {_MARKS[each['mark']]}]{each['title']}[/]")
        terminal.text(each["text"])
    terminal.line("")
    terminal.line(f"{found['seconds']:.0f} s; the page to look at: {found['page']}")


def _how(protocol: Document) -> str:
    what = protocol["eventType"] or "all event types"
    if protocol["split"] == "time":
        test = f"test: what came first in the {protocol['days']:g} days after {protocol['cut'].replace('T', ' ')}"
    elif protocol["times"] == "positions":
        test = "TIMESTAMP holds positions, no times; test: each shopper's last moment"
    else:
        test = "hardly a shopper comes back after a cut; test: each shopper's last moment"
    return f"{what}; {test}; {protocol['asked']:,} shoppers asked; seed {protocol['seed']}; tier {protocol['tier']}"


_WIDE = 120
"""Characters of a terminal from which all columns have room; a narrower one gets those that matter, whole."""


def _task(task: Document, depth: int, terminal: Terminal) -> None:
    columns = ("", f"hits@{depth}#", f"NDCG@{depth}#", "95 %#", "× popular#", "95 %#")
    more = (f"recall@{depth}#", *(() if task["task"] == "ranking" else ("coverage#", "long tail#")))
    shown = (*columns, *more) if terminal.columns >= _WIDE else columns
    rows = [_row(each)[: len(shown)] for each in task["methods"]]
    terminal.table(shown, rows, f"{TASKS[task['task']]} ({task['shoppers']:,} shoppers)")


def _row(method: Document) -> Sequence[str]:
    times = method["times"]
    return [
        TITLES[method["method"]],
        percent(method["hitRate"][0]),
        f"{method['ndcg'][0]:.4f}",
        f"{method['ndcg'][1]:.4f}–{method['ndcg'][2]:.4f}",
        f"{times[0]:.2f}" if times else "–",
        f"{times[1]:.2f}–{times[2]:.2f}" if times else "–",
        f"{method['recall'][0]:.4f}",
        percent(method["coverage"]),
        percent(method["tail"]),
    ]
