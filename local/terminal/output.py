# SPDX-License-Identifier: Apache-2.0
"""Results on standard output, as tables or as JSON alone, and progress on standard error."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from table_intake.wording import Language, Text, counted

from local.cloud.client import Answer, as_commands
from local.cloud.runs import Moment, Run, Runs
from local.terminal import board
from local.terminal.speech import DEFAULT, happening, rendered, typed

WRONG = "looks wrong: "
"""The beginning of notes about what looks wrong in a drop."""
_WHOLE = 1_000
"""Prices from which on whole numbers have no cents, as those in won."""
PAGE = 80
"""Columns of a page that reads the same on every terminal."""
NAMES = ("name", "title", "productname", "itemname")
"""Columns of metadata that name an item, by their letters."""


class Terminal:
    """What one command writes.

    Args:
        as_json: results are JSON and nothing else, in English; progress is left out.
        run_dir: the folder of the cloud, which commands in texts name where it is another one.
    """

    def __init__(self, *, as_json: bool = False, run_dir: Path = DEFAULT) -> None:
        self.as_json = as_json
        self.run_dir = run_dir
        self.language: Language = "en"
        """Of sentences; a command sets it once it knows the shop's."""
        # A pipe has no width, so this one folds nothing.
        self.out = Console(highlight=False, quiet=as_json, width=None if sys.stdout.isatty() else 400)
        self.progress = Console(stderr=True, highlight=False, quiet=as_json, width=None if sys.stderr.isatty() else 160)

    def words(self, text: str) -> str:
        """Return a text as it is shown: in the command's language, with commands as they are typed here."""
        return typed(rendered(text, self.language), self.run_dir)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show a piece of work while it lasts, and how long it took."""
        started = time.perf_counter()
        with self.progress.status(f"{escape(self.words(text))} …"):
            yield
        # The language may have become known meanwhile.
        took = self.words(board.seconds(time.perf_counter() - started))
        self.progress.print(f"[green]✓[/] {escape(self.words(text))} [dim]{took}[/]")

    @contextmanager
    def bar(self) -> Iterator[Callable[[str, float], None]]:
        """Show the progress of long work on a terminal: the callable takes a text and the share that is done."""
        columns = (
            TimeElapsedColumn(),
            BarColumn(30),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.description}"),
        )
        silent = self.as_json or not self.progress.is_terminal
        with Progress(*columns, console=self.progress, transient=True, disable=silent) as progress:
            task = progress.add_task("", total=1.0)
            yield lambda text, share: progress.update(task, description=escape(self.words(text)), completed=share)

    def note(self, text: str) -> None:
        self._say("[yellow]•[/]", self.words(text))

    def heading(self, text: str) -> None:
        self.progress.print(f"\n[bold]{escape(self.words(text))}[/]")

    def error(self, text: str, code: int, details: Mapping[str, object] = MappingProxyType({})) -> None:
        if self.as_json:
            self.json({"error": typed(text, self.run_dir), "code": code, **details})
        else:
            self._say("[red]✗[/]", self.words(text))

    def _say(self, mark: str, sentence: str) -> None:
        """Print a sentence, wrapped on a terminal; one with a command is not, so that it can be pasted."""
        is_wrapped = self.progress.is_terminal and "`" not in sentence
        self.progress.print(f"{mark} {escape(sentence)}", soft_wrap=not is_wrapped)

    def result(self, value: object, show: Callable[[], None]) -> None:
        """Print a result: its value as JSON, or what `show` prints."""
        if self.as_json:
            self.json(value)
        else:
            show()

    def json(self, value: object) -> None:
        print(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def line(self, text: str) -> None:
        """Print a line of a result, never wrapped or coloured."""
        print(text, flush=True)

    def spoken(self, text: str) -> None:
        """Print a sentence of a result, wrapped at the width of a page where it is longer."""
        sentence = self.words(text)
        indent = len(sentence) - len(sentence.lstrip())
        self.page(Padding(escape(sentence.lstrip()), (0, 0, 0, indent)))

    def text(self, text: str) -> None:
        """Print a paragraph of a result, wrapped at the terminal's width; a pipe gets it as one line."""
        self.out.print(escape(self.words(text)), soft_wrap=not self.out.is_terminal)

    def show(self, drawn: RenderableType) -> None:
        """Print what rich has drawn; lines of a pipe end with their text, since it has no width to be filled."""
        if self.out.is_terminal:
            self.out.print(drawn)
            return
        with self.out.capture() as captured:
            self.out.print(drawn)
        self.out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def page(self, drawn: RenderableType, *, aside: bool = False) -> None:
        """Print what rich has drawn, at most :data:`PAGE` columns wide; `aside`: where progress is printed."""
        if self.as_json:
            return
        console = self.progress if aside else self.out
        with console.capture() as captured:
            console.print(drawn, width=min(PAGE, console.width))
        console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """Print a table; columns whose title ends in ``#`` are numbers."""
        table = Table(box=None, pad_edge=False, title=title or None, title_justify="left", header_style="dim")
        for column in columns:
            table.add_column(column.rstrip("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self.show(table)

    def moment(self, moment: Moment) -> None:
        colour = {"ACTIVE": "green", "": "cyan"}.get(moment.status, "red" if "FAILED" in moment.status else "yellow")
        status = f" [{colour}]{escape(moment.status)}[/]" if moment.status else ""
        what, began = happening(moment.what, self.language), self.words(board.seconds(moment.seconds))
        self.progress.print(f"[dim]{began:>8}[/]  {escape(what)}{status}", soft_wrap=True)

    @contextmanager
    def story(self, run: Run) -> Iterator[Callable[[Moment], None]]:
        """Show what happens in a run: on a terminal as a board, elsewhere line by line."""
        if self.as_json or not self.progress.is_terminal:
            yield self.moment
            return
        # The names of all of a shop's resources begin alike.
        own_name = re.compile(rf"\S+-{re.escape(run.shop)}-(?=\S)")
        rows = board.Board(
            named=lambda what: happening(own_name.sub("", what), self.language) if run.shop else what, words=self.words
        )
        with board.drawn(self.progress, run.seconds, rows):
            yield rows.tell

    def ended(self, runs: Runs, run: Run) -> Run:
        """Show what happens in a run until it ends, and return it as it is then."""
        with self.story(run) as tell:
            for moment in runs.follow(run.arn):
                tell(moment)
        return runs.describe(run.arn)

    def runs(self, runs: Sequence[Run]) -> None:
        """Print runs, each with its result on a line of its own."""
        for run in runs:
            began = run.started.astimezone().strftime("%d %b %H:%M:%S" if self.language == "en" else "%m-%d %H:%M:%S")
            colour = {"SUCCEEDED": "green", "RUNNING": "cyan"}.get(run.status, "red")
            others = {drop["key"] for drop in run.output.get("drops") or ()} - {run.key}
            kind = self.words(Text(f"run.kind.{run.kind}", run.kind))
            handled = f"{kind} +{len(others)}" if others else kind
            status = self.words(Text(f"run.status.{run.status}", run.status))
            took = self.words(board.seconds(run.seconds))
            head = f"[dim]{began}[/]  {escape(handled)}  [{colour}]{escape(status)}[/]  {took}"
            self.out.print(f"{head}  [dim]{escape(run.name)}[/]", soft_wrap=True)
            if result := said(run):
                self.show(Padding(escape(self.words(result)), (0, 0, 0, 4)))
            for drop, reason in run.refused.items():
                refused = Text("run.refused", "{drop} was refused: {reason}", drop=drop, reason=reason)
                self.show(Padding(f"[red]{escape(self.words(refused))}[/]", (0, 0, 0, 4)))
            for note in run.output.get("notes") or ():
                if note.startswith(WRONG):
                    self.show(Padding(f"[yellow]{escape(self.words(note))}[/]", (0, 0, 0, 4)))

    def export(self, exported: Mapping[str, Any], paths: Sequence[str]) -> None:
        """Print the first rows of a batch job's export, as many columns as fit, and where its files are."""
        import polars as pl  # noqa: PLC0415 - only this command reads tables

        rows = next(path for path in paths if "/errors-" not in path)
        head = (pl.read_parquet(rows) if rows.endswith(".parquet") else pl.read_csv(rows, infer_schema=False)).head(5)
        fit: list[str] = []
        used = 0
        for name in head.columns:
            used += 3 + max([len(name), *(len(str(cell)) for cell in head[name].to_list())])
            if fit and used > self.out.width:
                break
            fit.append(name)
        more = len(head.columns) - len(fit)
        self.table(fit, [["" if cell is None else cell for cell in row] for row in head.select(fit).rows()])
        rows_, lists = counted(exported["rows"], "row"), counted(exported["lists"], "answer")
        told = f"{rows_} of {lists}, {exported['errors']:,} with an error"
        further = f"; {counted(more, 'column')} more" if more else ""
        self.out.print(f"[dim]{told}{further}; about ${exported['dollars']:,.2f}[/]")
        for path in paths:
            self.out.print(escape(path), soft_wrap=True)

    def items(self, answer: Answer, title: str) -> None:
        """Print recommended items, with name and price from their metadata."""
        items = answer.body.get("items") or []
        rows = []
        for rank, item in enumerate(items, 1):
            metadata = letters(item)
            others = [str(cell) for key, cell in metadata.items() if key != "price" and cell not in {None, ""}]
            name = item_name(item) if metadata.keys() & set(NAMES) else " · ".join(others)[:48]
            price = _price(float(metadata["price"])) if metadata.get("price") not in {None, ""} else ""
            score = f"{item['score']:.4f}" if item.get("score") is not None else ""
            source = self.words(Text(f"list.source.{item['source']}", item["source"])) if item.get("source") else ""
            rows.append((rank, item["itemId"], name, price, score, source))
        columns = (
            "#",
            Text("list.item", "item"),
            Text("list.name", "name"),
            Text("list.price", "price#"),
            Text("list.score", "score#"),
            Text("list.source", "source"),
        )
        self.table([*map(self.words, columns)], rows, title)
        took = Text(
            "list.took", "{items:,} {items:item|items} in {took:.1f} ms", items=len(items), took=answer.milliseconds
        )
        self.out.print(f"[dim]{escape(self.words(took))}[/]")

    def likelihoods(self, answer: Answer, user: str, names: Mapping[str, str] = MappingProxyType({})) -> None:
        """Print the likelihood of purchases, the likeliest first; `names` has items' names by id."""
        body = answer.body
        rows = [
            (
                names.get(item["itemId"], item["itemId"]),
                f"{item['probability']:.2%}" if item["probability"] >= 0.0001 else "< 0.01%",
                f"{times:.1f}" if (times := item["probability"] / body["baseRate"]) >= 0.1 else "< 0.1",
            )
            for item in sorted(body["items"], key=lambda item: -float(item["probability"]))
        ]
        who = "" if body.get("user", "known") == "known" else f" ({body['user']})"
        title = (
            f"{body['eventType']} by {user}{who} within {counted(body['horizonDays'], 'day')} of {body['asOf'][:10]}"
        )
        self.table(("item", "probability#", "times the base rate#"), rows, title)
        on = body["calibratedOn"]
        self.out.print(
            f"[dim]from {body['method']}, calibrated on {counted(on['purchases'], 'purchase')} of {on['from'][:10]} to "
            f"{on['to'][:10]}; base rate {body['baseRate']:.3%}; {answer.milliseconds:.1f} ms[/]"
        )
        self.out.print(f"[dim]{_tested(body['verdict'])}[/]")


def _price(price: float) -> str:
    return f"{price:,.0f}" if price.is_integer() and price >= _WHOLE else f"{price:,.2f}"


def _tested(verdict: Mapping[str, Any]) -> str:
    """Say whether the probabilities mean what they say."""
    means = verdict["meansWhatItSays"]
    if verdict["told"] is None:
        return "the test of the fit had too few purchases to tell whether they mean what they say: use the order"
    compared = f"of pairs predicted at {verdict['told']:.1%}, {verdict['observed']:.1%} came true"
    if means is None:
        return f"tested: {compared}, which chance may explain: use the order, not the numbers"
    return f"tested: {compared}: {'they mean what they say' if means else 'use the order, not the numbers'}"


def letters(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's metadata by the letters of its names: PRODUCT_NAME and productName are one."""
    return {re.sub(r"[^a-z0-9]", "", key.lower()): value for key, value in (item.get("metadata") or {}).items()}


def item_name(item: Mapping[str, Any]) -> str:
    """Return an item's name from its metadata, else its id."""
    metadata = letters(item)
    return str(next((metadata[key] for key in NAMES if key in metadata), item["itemId"]))


def said(run: Run) -> str:
    """Return the result of a run: the reason of its failure, or its outcome, rows, and why it did not promote."""
    if run.reason:
        return as_commands(run.reason, run.shop)
    rows = run.output.get("rows")
    outcome = run.output.get("outcome", "")
    why = run.output.get("reason", "") if outcome != "promoted" else ""
    if outcome == "alreadyHandled":
        # The notes say by which run, and how to train all the same.
        why = why or "; ".join(run.output.get("notes") or ())
    why = as_commands(str(why), run.shop)
    parts: list[str] = []
    if outcome:
        parts.append(Text(f"run.outcome.{outcome}", outcome))
    if rows:
        parts.append(Text("run.rows", "{rows:,} {rows:row|rows}", rows=rows))
    return Text.joined(" ", [*parts, *([f"({why})"] if why else [])])


def run_json(run: Run) -> dict[str, Any]:
    return {
        "run": run.name,
        "shop": run.shop,
        "kind": run.kind,
        "key": run.key,
        "status": run.status,
        "startedAt": run.started.isoformat(),
        "endedAt": run.ended.isoformat() if run.ended else None,
        "seconds": round(run.seconds, 1),
        "reason": run.reason or None,
        "output": run.output or None,
    }
