# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""An evaluation on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from table_intake.wording import Language, fill

from local.evaluation.words import cents, language_of, percent, texts, weights_of
from local.terminal.output import Terminal

Document = Mapping[str, Any]
WIDE = 120
"""The width from which all columns have room; a narrower terminal gets the important ones, whole."""
_NARROW = 6
"""The columns of a narrower one."""
_MARKS = {"good": "green", "mixed": "yellow", "bad": "red"}


def show(document: Document, terminal: Terminal) -> None:
    language, data, protocol = language_of(document), document["data"], document["protocol"]
    wording, titles = texts(language)["terminal"], texts(language)["methods"]
    when = wording["positions"] if data["times"] == "positions" else wording["span"].format(**data)
    terminal.text(wording["sizes"].format(when=when, **data))
    if protocol["split"] == "time":
        test = fill(wording["time"], days=protocol["days"], cut=protocol["cut"].replace("T", " "))
    else:
        test = wording["ordered" if protocol["times"] == "positions" else "last"]
    terminal.text(wording["protocol"].format(what=protocol["eventType"] or wording["every"], test=test, **protocol))
    for task in document["tasks"]:
        terminal.line("")
        _task(task, protocol["depth"], language, terminal)
    if document["lists"]:
        terminal.line("")
        _lists(document["lists"], language, terminal)
    if document["weights"]:
        terminal.line("")
        _weights(document["weights"], protocol["depth"], language, terminal)
    terminal.line("")
    terminal.table(
        wording["training"],
        [
            (titles[training["method"]], f"{training['seconds']:.1f}", f"{training['cpuSeconds']:.1f}")
            for training in document["training"]
        ],
    )
    terminal.line("")
    _bill(document["bill"], language, terminal)
    for word in document["words"]:
        terminal.out.print(f"\n[bold {_MARKS[word['mark']]}]{word['title']}[/]")
        terminal.text(word["text"])
    terminal.line("")
    terminal.line(wording["done"].format(**document))


def _task(task: Document, depth: int, language: Language, terminal: Terminal) -> None:
    wording, titles = texts(language)["terminal"], texts(language)["tasks"]
    names = ["", *(f"{name.format(depth=depth)}#" for name in wording["columns"])]
    # A list that is ordered shows what was given.
    of_lists = 2 if task["task"] == "ranking" else 0
    shown = names[: len(names) - of_lists] if terminal.out.width >= WIDE else names[:_NARROW]
    title = titles[task["task"]]["terminal"].format(listed=100)
    rows = [_row(method, language)[: len(shown)] for method in task["methods"]]
    terminal.table(shown, rows, wording["task"].format(title=title, shoppers=task["shoppers"]))


def _lists(lists: Sequence[Document], language: Language, terminal: Terminal) -> None:
    wording, shares = texts(language)["lists"], ("overlap", "bestSellers", "coverage", "filled")
    rows = [[wording["methods"][list_["method"]], *(percent(list_[share]) for share in shares)] for list_ in lists]
    terminal.table(["", *(f"{wording[share]}#" for share in shares)], rows, wording["terminal"])


def _bill(bill: Document, language: Language, terminal: Terminal) -> None:
    wording = texts(language)["bill"]
    heads = [wording["backend"], f"{wording['training']}#", *(f"{number:,}#" for number in bill["requests"])]
    rows = [
        [
            wording["backends"][backend["backend"]],
            cents(backend["training"]),
            *(f"${dollars:,.0f}" for dollars in backend["months"]),
        ]
        for backend in bill["backends"]
    ]
    terminal.table(heads, rows, fill(wording["terminal"], as_of=bill["asOf"]))
    for note in bill["notes"]:
        terminal.text(note)


def _weights(weights: Document, depth: int, language: Language, terminal: Terminal) -> None:
    wording = texts(language)["weights"]
    rows = [
        [
            wording["variants"][variant["variant"]],
            weights_of(variant, language),
            percent(variant["hitRate"][0]),
            f"{variant['ndcg'][0]:.4f}",
            f"{variant['times'][0]:.2f}" if variant["times"] else "–",
            f"{variant['times'][1]:.2f}–{variant['times'][2]:.2f}" if variant["times"] else "–",
        ]
        for variant in weights["variants"]
    ]
    terminal.table([head.format(depth=depth) for head in wording["terminal"]], rows, wording["title"])


def _row(method: Document, language: Language) -> Sequence[str]:
    times = method["times"]
    return [
        texts(language)["methods"][method["method"]],
        percent(method["hitRate"][0]),
        f"{method['ndcg'][0]:.4f}",
        f"{method['ndcg'][1]:.4f}–{method['ndcg'][2]:.4f}",
        f"{times[0]:.2f}" if times else "–",
        f"{times[1]:.2f}–{times[2]:.2f}" if times else "–",
        f"{method['recall'][0]:.4f}",
        percent(method["coverage"]),
        percent(method["tail"]),
    ]
