# SPDX-License-Identifier: Apache-2.0
"""Which rows of interactions are sales, which are returns, and which are neither: settings for them, and remarks."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import polars as pl

from table_intake.check.forms import with_usual_minus
from table_intake.columns import statuses, usual_names
from table_intake.columns.header import canonical
from table_intake.kinds import DataKind
from table_intake.propose import values
from table_intake.propose.samples import Sample
from table_intake.settings.files import Returns
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_CROWD, _FEW_USERS = 10, 20
"""How many times the sales of a user all guests have together, at least; and users from which on that says anything."""


@dataclass(frozen=True, slots=True)
class SoldRows:
    """What settings must say of rows."""

    section: Mapping[str, Any]
    """Settings of interactions: fill_down, skip and returns."""
    numbers: Sequence[int]
    """The columns whose numbers tell returns."""
    remarks: Sequence[Text]


def find_sold_rows(sample: Sample, settings: TableSettings, targets: Mapping[str, int]) -> SoldRows:
    """Return which rows were never sold or are frames of others, and which came back.

    Args:
        sample: of interactions.
        settings: what the shop has set, which stays.
        targets: the columns that Personalize knows.
    """
    return _Finder(sample, settings, targets).rows()


def rows_without_item(
    sample: Sample, settings: TableSettings, kind: DataKind, targets: Mapping[str, int]
) -> tuple[dict[str, list[Any]], list[Text]]:
    """Return the rows to skip since dashes stand where their item should, and a remark about them.

    Args:
        sample: of interactions or items.
        settings: what the shop has set, which stays.
        kind: of data.
        targets: the columns that Personalize knows.
    """
    index = targets.get("ITEM_ID")
    if index is None:
        return {}, []
    counts, heading = Counter(cell.strip() for cell in sample.column(index)), sample.header[index]
    dashes = [*filter(_is_dash, counts)]
    if not dashes or canonical(heading) in map(canonical, settings.file_settings(kind).skip):
        return {}, []
    remark = Text(
        "propose.dashes",
        "{words} in {column} stands for no item, so skip leaves these rows out ({share:.1%} of those seen)",
        words=Text.all_of(dashes),
        column=heading,
        share=sum(counts[cell] for cell in dashes) / sum(counts.values()),
    )
    return {heading: dashes}, [remark]


class _Finder:
    def __init__(self, sample: Sample, settings: TableSettings, targets: Mapping[str, int]) -> None:
        self._sample = sample
        self._settings = settings
        self._files = settings.file_settings("interactions")
        self._targets = targets
        self._numbers = list[int]()
        self._remarks = list[Text]()

    def rows(self) -> SoldRows:
        chosen = self._settings.recognised_returns
        returns = self._returns()
        skip: dict[str, list[Any]] = {} if self._files.skip else self._frames()
        looked_at = set[int]()
        for index, rows in self._counted_statuses():
            heading, column = self._sample.header[index], statuses.column(self._sample.header[index])
            meanings = statuses.sorted_out(column or statuses.Column(), rows)
            looked_at |= set() if meanings.empty else {index}
            if meanings.cancelled:
                skip[heading] = [*meanings.cancelled]
                self._remarks.append(
                    Text(
                        "propose.cancelled",
                        "{column} says of rows that they were never sold, so skip leaves them out: {words}",
                        column=heading,
                        words=statuses.listed(meanings.cancelled),
                    )
                )
            if meanings.returned:
                returns.append({"column": heading, "values": [*meanings.returned]})
                self._remarks.append(
                    Text(
                        "propose.returned",
                        "{column} says of rows that they came back, so they become returns: {words}",
                        column=heading,
                        words=statuses.listed(meanings.returned),
                    )
                )
            if meanings.undecided:
                self._remarks.append(
                    Text(
                        "propose.undecided",
                        "only you can say whether these were sold, and they count as purchases: {column} is {words}. "
                        "If not, add the word to skip, or to the values of returns",
                        column=heading,
                        words=statuses.listed(meanings.undecided),
                    )
                )
        skip |= self._guests()
        dashes, remarks = rows_without_item(self._sample, self._settings, "interactions", self._targets)
        skip |= dashes
        self._remarks += remarks
        if looked_at and self._sample.read > len(self._sample.rows):
            self._remarks.append(
                Text(
                    "propose.counted",
                    "statuses are counted in the {rows:,} {rows:row|rows} read",
                    rows=self._sample.read,
                )
            )
        self._note_changes_of_status(looked_at)
        there = self._files.model_dump(include={"skip"}, mode="json")["skip"]
        section = {
            **self._fill_down(looked_at),
            **({"skip": {**there, **skip}} if skip else {}),
            **({"returns": _conditions(chosen, returns)} if returns else {}),
        }
        return SoldRows(section, self._numbers, self._remarks)

    def _guests(self) -> dict[str, list[Any]]:
        """Return the words and numbers that stand for all buyers without an id."""
        index = self._targets.get("USER_ID")
        if index is None:
            return {}
        counts = Counter(cell.strip() for cell in self._sample.column(index))
        rows, heading = sum(counts.values()), self._sample.header[index]
        # A customer may have the number 0 or 1, but not ten times as many sales as others.
        usual = _CROWD * rows / len(counts) if len(counts) > _FEW_USERS else rows
        guests = [
            cell
            for cell, count in counts.items()
            if _is_dash(cell)
            or (usual_names.plain(cell) in usual_names.GUESTS and (not values.is_number(cell) or count >= usual))
        ]
        if not guests or canonical(heading) in map(canonical, self._files.skip):
            return {}
        self._remarks.append(
            Text(
                "propose.guests",
                "{words} in {column} stands for buyers without an id, so skip leaves these rows out ({share:.1%} of "
                "those seen)",
                words=Text.all_of(guests),
                column=heading,
                share=sum(counts[cell] for cell in guests) / rows,
            )
        )
        return {heading: guests}

    def _counted_statuses(self) -> list[tuple[int, Mapping[str, int]]]:
        """Return the columns that tell what became of orders, and that no setting reads yet, with their values."""
        header, used = self._sample.header, {*self._targets.values()}
        read = {*self._files.skip, *(rule.column for rule in self._settings.recognised_returns if rule.values)}
        read_names = {*map(canonical, read)}
        columns = self._sample.counts or {
            index: Counter(cell.strip() for cell in self._sample.column(index))
            for index, heading in enumerate(header)
            if statuses.column(heading) is not None
        }
        return [
            (index, counted)
            for index, counted in columns.items()
            if index not in used and canonical(header[index]) not in read_names
        ]

    def _fill_down(self, looked_at: Set[int]) -> dict[str, Any]:
        """Return which of the columns that matter have a value in the first row of an order alone."""
        order, header = self._sample.order, self._sample.header
        if order is None or self._files.fill_down is not None:
            return {}
        clocks = {index for index, name in enumerate(header) if usual_names.plain(name) in usual_names.TIMES_OF_DAY}
        needed = {*looked_at, *self._targets.values(), *clocks, order.by}
        columns = [header[index] for index in order.columns if index in needed]
        if not columns:
            return {}
        self._remarks.append(
            Text(
                "propose.fill-down",
                "{columns} {count:has|have} a value in the first row of an order alone: fill_down carries it to the "
                "others with the same {order}",
                columns=listed(columns),
                count=len(columns),
                order=header[order.by],
            )
        )
        return {"fill_down": {"columns": columns, "by": header[order.by]}}

    def _note_changes_of_status(self, looked_at: Set[int]) -> None:
        """Note an order that has a row for each change of its status: each of these rows counts by itself."""
        if "ITEM_ID" not in self._targets:
            return
        header, item = self._sample.header, self._targets["ITEM_ID"]
        orders = [self._sample.order.by] if self._sample.order else self._sample.orders({item})
        if not orders:
            return
        order = orders[0]
        for index in sorted(looked_at):
            column, first = statuses.column(header[index]) or statuses.Column(), dict[tuple[str, str], str]()
            for row in self._sample.rows:
                key, status = (row[order].strip(), row[item]), row[index]
                before = first.setdefault(key, status)
                is_line = key[0] and not _is_dash(key[1].strip())
                if is_line and before != status and column.meaning(before) != column.meaning(status):
                    self._remarks.append(
                        Text(
                            "propose.changes",
                            "{order} {number} has several rows for one item, and {column} is {before} in one, {status} "
                            "in another. Each row counts by itself: if these are changes of one status, export the "
                            "current one alone",
                            order=header[order],
                            number=key[0],
                            column=header[index],
                            before=before,
                            status=status,
                        )
                    )
                    return

    def _frames(self) -> dict[str, list[Any]]:
        """Return the rows of configurable products, which have a second line for the simple product that was sold."""
        header = self._sample.header
        for index in (
            index for index, heading in enumerate(header) if usual_names.plain(heading) in usual_names.PRODUCT_TYPES
        ):
            there = {cell.strip().casefold() for cell in self._sample.column(index)}
            if frames := [kind for kind in usual_names.FRAMES if kind in there and "simple" in there]:
                self._remarks.append(
                    Text(
                        "propose.frames",
                        "lines whose {column} is {frames} stand beside those of the simple products that were sold: "
                        "skip leaves them out, so that nothing counts twice",
                        column=header[index],
                        frames=Text.any_of(frames),
                    )
                )
                return {header[index]: frames}
        return {}

    def _returns(self) -> list[dict[str, Any]]:
        """Return the conditions on numbers that make a row a return; note the columns that they read."""
        header, chosen = self._sample.header, self._settings.recognised_returns
        if chosen:
            named = {canonical(name) for rule in chosen if not rule.values for name in (rule.column, rule.of) if name}
            self._numbers = [index for index, name in enumerate(header) if canonical(name) in named]
            return []
        quantity = self._quantity()
        if quantity is None:
            return []
        rules, heading = list[dict[str, Any]](), header[quantity]
        cells = without_minus(self._sample.column(quantity))
        below = sum(bool(re.match(r"-.*\d|.*\d-$", cell)) for cell in cells)
        left = usual_names.plain(heading) in usual_names.ranks(usual_names.LEFT_QUANTITY)
        none = sum(bool(re.fullmatch(r"0+([.,]0*)?", cell)) for cell in cells) if left else 0
        if below or none:
            limit = 1 if none else 0
            rules.append({"column": heading, "below": limit})
            self._remarks.append(
                Text(
                    "propose.returns-below",
                    "rows with {column} below {limit} ({share:.1%} of those seen) are returns",
                    column=heading,
                    limit=limit,
                    share=(below + none) / len(cells),
                )
            )
            self._numbers.append(quantity)
        for index, name in enumerate(header):
            if usual_names.plain(name) not in usual_names.ranks(usual_names.RETURNED_QUANTITY):
                continue
            pairs = [
                (back, bought)
                for back, bought in zip(self._sample.column(index), self._sample.column(quantity), strict=False)
                if re.search("[1-9]", back)
            ]
            if pairs:
                rules.append({"column": name, "of": heading})
                whole = sum(_number(back) >= _number(bought) for back, bought in pairs)
                self._remarks.append(
                    Text(
                        "propose.returns-whole",
                        "rows of which all came back, {column} being no less than {other}, are returns ({whole:,} of "
                        "those seen); those of which a part came back ({part:,}) stay purchases",
                        column=name,
                        other=heading,
                        whole=whole,
                        part=len(pairs) - whole,
                    )
                )
                self._numbers += [index, quantity]
        return rules

    def _quantity(self) -> int | None:
        """Return the column that tells how many were bought."""
        ranks, used = usual_names.ranks(usual_names.QUANTITY), set(self._targets.values())
        ranked = [
            (ranks[name], index)
            for index, heading in enumerate(self._sample.header)
            for name in usual_names.forms(heading)
            if name in ranks and index not in used
        ]
        return min(ranked)[1] if ranked else None


def _conditions(chosen: Sequence[Returns], more: Sequence[Mapping[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
    """Return the conditions that make a row a return: those that there are, and more."""
    every = [*(rule.model_dump(mode="json", exclude_defaults=True) for rule in chosen), *map(dict, more)]
    return every[0] if len(every) == 1 else every


def without_minus(cells: Sequence[str]) -> list[str]:
    """Return cells with a hyphen for every other minus."""
    return (
        pl.Series(cells, dtype=pl.String)
        .to_frame("cell")
        .select(with_usual_minus(pl.col("cell").str.strip_chars()))
        .to_series()
        .to_list()
    )


def _is_dash(cell: str) -> bool:
    """Tell whether a cell has dashes alone, as programs write them where there is nothing."""
    return re.fullmatch(r"[-\u2013\u2014]+", cell) is not None


def _number(cell: str) -> float:
    digits = re.sub(r"[^\d.,-]", "", cell).replace(",", ".")
    return float(digits) if re.fullmatch(r"-?\d+(\.\d*)?", digits) else math.nan


def listed(header: Sequence[str]) -> str:
    """Return the names of columns for a sentence."""
    return Text.some_of([heading.strip() or "''" for heading in header])
