# SPDX-License-Identifier: Apache-2.0
"""Tell which column of a file is which, by its name and its values."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from table_intake.columns import schema, usual_names
from table_intake.columns.header import canonical
from table_intake.kinds import DataKind
from table_intake.propose import values
from table_intake.propose.samples import Ids, Sample, whole
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_ENOUGH, _ALL = 100, 0.98
"""From how many rows on an id is judged by its values, and the share of different values of an id of rows."""
NO_IDS: Ids = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Targets:
    """The columns of a file that Personalize knows."""

    indices: Mapping[str, int]
    """The index of each, by its name there."""
    remarks: tuple[Text, ...] = ()


def find_targets(sample: Sample, settings: TableSettings, kind: DataKind, ids: Ids = NO_IDS) -> Targets:
    """Return which columns of a file Personalize knows, if it has this kind.

    Args:
        sample: of the file.
        settings: what the shop has set.
        kind: what the file has, or might have.
        ids: of the shop's interactions, by which a file of users or items tells the column of its key.
    """
    return _Finder(sample, settings, kind, ids if kind != "interactions" else NO_IDS).find()


class _Finder:
    def __init__(self, sample: Sample, settings: TableSettings, kind: DataKind, ids: Ids) -> None:
        self._sample = sample
        self._files = settings.file_settings(kind)
        self._kind = kind
        self._ids = ids

    def find(self) -> Targets:
        header = self._sample.header
        mapping = {canonical(heading): ours for heading, ours in self._files.columns.items()}
        ours = [mapping.get(canonical(heading)) for heading in header]
        indices = {name: index for index, name in enumerate(ours) if name is not None}
        names = [usual_names.forms(heading) for heading in header]
        by_plain_name = {name.replace("_", "").casefold(): name for name in schema.recognised(self._kind, "ECOMMERCE")}
        for target in [*usual_names.TARGETS[self._kind], *by_plain_name.values()]:
            if target in indices:
                continue
            ranks = usual_names.ranks(usual_names.TARGETS[self._kind].get(target, ""))
            all_ranks = {**ranks, target.replace("_", "").casefold(): -1}
            taken = set(indices.values())
            candidates = [
                (
                    -self._shared(target, index),
                    self._filled(target, index) < 0.5,
                    self._is_of_a_row(target, index),
                    min(all_ranks.get(name, math.inf) for name in forms),
                    not usual_names.inner(header[index]),
                    index,
                )
                for index, forms in enumerate(names)
                if not all_ranks.keys().isdisjoint(forms) and index not in taken and ours[index] is None
            ]
            if candidates and self._filled(target, min(candidates)[-1]) > 0:
                indices[target] = min(candidates)[-1]
        if self._kind == "interactions" and {"USER_ID", "ITEM_ID"} <= set(indices) and "TIMESTAMP" not in indices:
            dates = [index for index in range(len(header)) if index not in indices.values() and self._has_dates(index)]
            if len(dates) == 1:
                (indices["TIMESTAMP"],) = dates
                remark = Text(
                    "propose.only-dates",
                    "{column} is taken for the time: no other column has dates",
                    column=header[dates[0]],
                )
                return Targets(indices, (remark,))
        return Targets(indices)

    def _filled(self, target: str, index: int) -> float:
        """Return the share of rows that have a value in a column; a price of 0 is none, and so is a text."""
        cells = self._sample.column(index)
        if target != "PRICE" or not cells:
            return self._sample.filled(index)
        return sum(bool(re.search("[1-9]", cell)) and values.is_number(cell) for cell in cells) / len(cells)

    def _has_dates(self, index: int) -> bool:
        """Tell whether a column's values are dates, rather than numbers that might be."""
        cells = [cell for cell in self._sample.column(index) if cell.strip()]
        return bool(cells) and not any(map(values.is_number, cells[:3])) and not values.times(cells).problem

    def _shared(self, target: str, index: int) -> float:
        """Return the share of a column's values that the shop's interactions know as ids."""
        ids, cells = self._ids.get(target, frozenset()), set(map(whole, self._sample.column(index)))
        return len(ids & cells) / len(cells) if ids and cells else 0.0

    def _is_of_a_row(self, target: str, index: int) -> bool:
        """Tell whether an id of interactions has another value in each row: it is that of the row."""
        if self._kind != "interactions" or target not in {"USER_ID", "ITEM_ID"}:
            return False
        cells = [cell for cell in self._sample.column(index) if cell.strip()]
        return len(cells) >= _ENOUGH and len(set(cells)) > _ALL * len(cells)
