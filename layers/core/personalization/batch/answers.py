# SPDX-License-Identifier: Apache-2.0
"""Convert the answers of batch jobs, JSON lines, to tables with item columns beside the ids."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from personalization.batch.customers import USER
from personalization.batch.plan import Job
from personalization.shop.records.item_table import Table, name_column

Cell = str | int | float | None
Row = Sequence[Cell]
Shown = Callable[[str], Sequence[str | None]]
"""Returns an item's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one line of input."""

    subject: str
    """The user or item that was asked about, or a segment's conditions."""
    names: Sequence[str]
    """Item ids, or a segment's user ids, best first."""
    scores: Sequence[float] = ()
    reasons: Sequence[str | None] = ()
    error: str = ""
    means_what_it_says: str = ""
    """Of a segment by likelihood, whether its probabilities mean what they say: yes, no or unknown."""
    customer: Mapping[str, Cell] | None = None
    """The columns of a customer."""


def parse(line: bytes | str) -> Answer:
    """Parse a line; its error replaces the answer."""
    row = json.loads(line)
    if "customer" in row:
        customer = row["customer"]
        return Answer(subject=str(customer[USER]), names=(), customer=customer)
    # AWS's guide shows a segment's conditions at the top of the line, and its users as recommendedUsers; AWS's samples
    # read input.itemAttributes and usersList.
    given, output = row.get("input", row), row.get("output") or {}
    subject = (
        next((str(given[name]) for name in ("userId", "itemId", "itemAttributes") if name in given), "")
        if (isinstance(given, dict))
        else str(given)
    )
    lists = ("recommendedItems", "usersList", "recommendedUsers")
    names: list[object] = next((output[name] for name in lists if output.get(name)), [])
    reasons = output.get("reasons") or output.get("reason") or []
    return Answer(
        subject=subject,
        names=[str(name) for name in names],
        scores=output.get("scores") or (),
        reasons=reasons if isinstance(reasons, list) else (),
        error=str(row.get("error") or ""),
        means_what_it_says=str(output.get("meansWhatItSays") or ""),
    )


def default_columns(table: Table | None) -> tuple[str, ...]:
    """Return the columns of a shop's items with the name and the price, as far as there are any."""
    columns = table.columns if table else ()
    return tuple(column for column in (name_column(columns), "PRICE") if column in columns)


@dataclass(frozen=True, slots=True)
class Layout:
    """The table of a job's answers; `columns` are those of items, or of customers."""

    job: Job
    columns: tuple[str, ...]

    @property
    def header(self) -> tuple[str, ...]:
        if self.job.kind == "customers":
            return self.columns
        if self.job.kind != "lists":
            score = ("PROBABILITY", "MEANS_WHAT_IT_SAYS") if self.job.kind == "likelihood" else ()
            return ("SEGMENT", "RANK", "USER_ID", *score)
        if self.job.settings.output == "mail":
            columns = ("ITEM_ID", *self.columns, *(("REASON",) if self.job.reasons else ()))
            numbers = range(1, self.job.settings.items + 1)
            return ("USER_ID", *(f"{name}_{number}" for number in numbers for name in columns))
        if self.job.settings.takes_items:
            return ("ITEM_ID", "RANK", "SIMILAR_ITEM_ID", *self.columns)
        reason = ("REASON",) if self.job.reasons else ()
        return ("USER_ID", "RANK", "ITEM_ID", "SCORE", *reason, *self.columns)

    def rows(self, answer: Answer, shown: Shown) -> Iterator[Row]:
        """Yield the rows of an answer, without one that has an error."""
        if answer.error:
            return
        if answer.customer is not None:
            yield [answer.customer.get(name) for name in self.columns]
            return
        if self.job.kind == "lists" and self.job.settings.output == "mail":
            yield self._mail(answer, shown)
            return
        for index, name in enumerate(answer.names):
            score = answer.scores[index] if index < len(answer.scores) else None
            if self.job.kind != "lists":
                is_likelihood = self.job.kind == "likelihood"
                yield (answer.subject, index + 1, name, *((score, answer.means_what_it_says) if is_likelihood else ()))
                continue
            scores = () if self.job.settings.takes_items else (score,)
            reason = (_reason(answer, index),) if self.job.reasons else ()
            yield (answer.subject, index + 1, name, *scores, *reason, *shown(name))

    def _mail(self, answer: Answer, shown: Shown) -> Row:
        cells: list[Cell] = [answer.subject]
        for index in range(self.job.settings.items):
            item = answer.names[index] if index < len(answer.names) else None
            cells += [item, *(shown(item) if item else [None] * len(self.columns))]
            cells += [_reason(answer, index)] if self.job.reasons else []
        return cells


def _reason(answer: Answer, index: int) -> str | None:
    return answer.reasons[index] if index < len(answer.reasons) else None
