# SPDX-License-Identifier: Apache-2.0
"""Tell what a file has: interactions, users or items."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from table_intake.columns import schema, usual_names
from table_intake.kinds import DataKind
from table_intake.propose import values
from table_intake.propose.samples import Sample
from table_intake.propose.targets import find_targets
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_SEVERAL, _HALF = 20, 0.5
"""From how many rows on ids are seen to repeat, and the largest share of different ids that do."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a file has, and why."""

    kind: DataKind | None
    because: str
    """The evidence; where the kind is open, what is missing."""
    otherwise: str = ""
    """What else the file could be, or what speaks against the kind."""
    order: int | None = None
    """The index of the column that names orders, of a file of their lines that says neither who bought nor when."""
    targets: Mapping[DataKind, Mapping[str, int]] = field(default_factory=dict)
    """The columns that Personalize knows, if the file has this kind or that; see `find_targets`."""


def judge(sample: Sample, settings: TableSettings) -> Judgement:
    """Tell what a file has, by its columns and its values; where they leave that open, by its name."""
    judging = _Judging(sample, settings)
    judgement = judging.by_sales() or judging.by_name() or judging.by_one_id()
    return replace(judgement, targets=judging.targets)


class _Judging:
    """What speaks for each kind of file."""

    def __init__(self, sample: Sample, settings: TableSettings) -> None:
        self._sample = sample
        self.targets = {kind: find_targets(sample, settings, kind).indices for kind in usual_names.TARGETS}
        self._sales = sales = self.targets["interactions"]
        self._user, self._item, self._time = (name in sales for name in ("USER_ID", "ITEM_ID", "TIMESTAMP"))
        self._repeats = _repeats(sample, sales["ITEM_ID"]) if self._item else ""

    def by_sales(self) -> Judgement | None:
        """Judge a file whose rows are sales, or parts of sales."""
        if self._user and self._item and self._time:
            return Judgement("interactions", _has(self._told("interactions", "USER_ID", "ITEM_ID", "TIMESTAMP")))
        if not self._repeats:
            return None
        if self._time and not self._sample.times(self._sales["TIMESTAMP"]).problem:
            because = Text(
                "judge.times",
                "each row has a time ({time}), and items come back: {repeats}",
                time=self._told("interactions", "TIMESTAMP"),
                repeats=self._repeats,
            )
            return Judgement("interactions", because, self._otherwise("interactions"))
        orders = self._sample.orders({self._sales["ITEM_ID"]})
        if self._user or self._time or not orders:
            return None
        because = Text(
            "judge.lines",
            "it has lines of orders ({order}, {repeats}), and says neither who bought nor when: one file must have "
            "user, item and time in each row",
            order=self._sample.header[orders[0]],
            repeats=self._repeats,
        )
        return Judgement(None, because, order=orders[0])

    def by_name(self) -> Judgement | None:
        """Judge a file by its name, where its columns allow it."""
        named = self._sample.name.casefold()
        # A file of sales of which one column has a name that nobody knows: the proposal says which one is missing.
        if self._time and self._user != self._item and re.search(usual_names.FILES["interactions"], named):
            because = _named(self._told("interactions", "USER_ID", "ITEM_ID", "TIMESTAMP"))
            return Judgement("interactions", because, self._otherwise("interactions"))
        for kind, pattern in usual_names.FILES.items():
            key = schema.required(kind, None)[0].name
            if re.search(pattern, named) and key in self.targets[kind]:
                return Judgement(kind, _named(self._told(kind, key)), self._doubt(kind))
        return None

    def by_one_id(self) -> Judgement:
        """Judge a file by what it names: users, or items."""
        items = self.targets["items"]
        if "ITEM_ID" in items and {"PRICE", "CATEGORY_L1"} & set(items):
            because = _has(self._told("items", "ITEM_ID", "PRICE", "CATEGORY_L1"))
            return Judgement("items", because, self._doubt("items"))
        user = self._user and "USER_ID" in self.targets["users"]
        if user == self._item:
            if sum(map(values.is_value, self._sample.header)) > 1:
                reason = "its first row has values, and must name its columns: put a row with their names above it"
                return Judgement(None, Text("judge.no-names", reason))
            return Judgement(None, Text("judge.open", "neither its columns nor its name tell what it has"))
        kind: DataKind = "users" if user else "items"
        columns = self._told(kind, "USER_ID", "ITEM_ID")
        because = Text("judge.one-id", "it has {columns} and no other id", columns=columns)
        return Judgement(kind, because, self._doubt(kind))

    def _told(self, kind: DataKind, *targets: str) -> Text:
        indices, header = self.targets[kind], self._sample.header
        return Text.joined(
            ", ",
            (
                Text("judge.column", "{column} for {target}", column=header[indices[name]], target=name)
                for name in targets
                if name in indices
            ),
        )

    def _doubt(self, kind: DataKind) -> str:
        """Return what speaks against a kind."""
        if kind == "items" and self._repeats:
            return Text(
                "judge.items-repeat", "a file of items has one row for each, but {repeats}", repeats=self._repeats
            )
        return self._otherwise(kind)

    def _otherwise(self, kind: DataKind) -> str:
        """Return what else a file could be."""
        marks: Mapping[DataKind, tuple[str, ...]] = {
            "users": ("USER_ID",),
            "items": ("ITEM_ID", "PRICE", "CATEGORY_L1"),
        }
        others = [
            Text(
                "judge.other",
                "{kind} ({columns})",
                kind=Text(f"kind.{other}", other),
                columns=self._told(other, *targets),
            )
            for other, targets in marks.items()
            if other != kind and targets[0] in self.targets[other]
        ]
        return Text("judge.as-well", "it could be {others} as well", others=Text.any_of(others)) if others else ""


def _repeats(sample: Sample, index: int) -> str:
    """Return a clause about the values of a column that repeat, as items do in sales; empty where they do not."""
    cells = [cell for cell in sample.column(index) if cell.strip()]
    different = len(set(cells))
    if len(cells) < _SEVERAL or different > _HALF * len(cells):
        return ""
    return Text(
        "judge.repeats",
        "{column} has {values:,} different {values:value|values} in {rows:,} {rows:row|rows}",
        column=sample.header[index],
        values=different,
        rows=len(cells),
    )


def _has(columns: Text) -> Text:
    return Text("judge.has", "it has {columns}", columns=columns)


def _named(columns: Text) -> Text:
    return Text("judge.named", "its name says so, and it has {columns}", columns=columns)
