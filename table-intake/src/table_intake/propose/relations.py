# SPDX-License-Identifier: Apache-2.0
"""Which table of an export refers to which: by the values of their columns, where those say so, and by their names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from table_intake.columns import usual_names
from table_intake.columns.usual_names import ranks
from table_intake.kinds import DataKind
from table_intake.propose.samples import Sample
from table_intake.propose.value_sets import Overlap, ValueSet
from table_intake.settings.exports import base_name
from table_intake.wording import Text

_ENDS = sorted(
    ranks("id key code no number nr num nummer numero sk pk uid uuid guid 번호 코드 아이디 番号 コード 编号 编码"),
    key=len,
    reverse=True,
)
"""What names of ids end with, the longest first; alone, such a name is that of the file's own id."""
_KEY_FILLED, _KEY_DIFFERENT = 0.5, 0.9
"""The share of rows that have a value in a key, and of values that occur once: an export may have rows twice."""
_BY_NAME, _BY_NAME_IN_PART, _BY_VALUES = 0.5, 0.1, 0.9
"""The share of values that the other column must have: where names agree, where one file was read in part, where
values alone tell it."""
_ENOUGH = 20
"""Different values from which on they alone tell it."""
_TIME = re.compile(r"\d{4}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{2,4}|\d\d?:\d\d")
_FRACTION = re.compile(r"-?[\d,]*[.,]\d{1,2}")
_COPY = r"([\d_.*() -]|\b(copy|kopie|copie|copia|사본|コピー|副本))+$"
"""What programs and people put behind the names of files: orders-2026, orders (1), orders copy."""
_ID_IN_FRONT = re.compile(r"(?:[iI][dD][_ -]|id(?=[A-Z]))(\w{3,})")
_LOOKED_AT = 20
_SHORTEST = 2
"""Letters of a word that names a file."""
_SHORTEST_WORD = 4
"""Letters of a name that two columns share by more than accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A column whose values are keys of another table."""

    table: str
    column: int
    other: str
    key: int
    overlap: Overlap
    strength: int
    """How well the names agree: 3 where they name the other file or the same id, 2 where they are equal, 1 where both
    mean the same, 0 else."""
    unique: bool
    """Whether each key of the other table has one row there."""
    because: str
    """The evidence, as a sentence."""

    @property
    def orphans(self) -> float:
        """The share of rows that have no partner."""
        return self.overlap.orphans


@dataclass(frozen=True, slots=True)
class Relations:
    """What refers to what."""

    certain: Sequence[Relation]
    broken: Sequence[Relation]
    """Columns whose names agree and whose values do not, as in files of two shops."""

    def of(self, table: str, column: int | None = None) -> list[Relation]:
        """Return what a table, or a column of it, refers to; what is surest comes first."""
        relations = [
            relation for relation in self.certain if relation.table == table and column in {None, relation.column}
        ]
        return sorted(relations, key=lambda relation: (-relation.strength, relation.orphans, relation.column))


def relate(samples: Mapping[str, Sample]) -> Relations:
    """Find out which columns are keys, and which refer to them.

    A few small numbers are in any column of small numbers, so these are no evidence unless the names agree.
    """
    sets = {table: sample.value_sets() for table, sample in samples.items()}
    keys = {table: _keys(sample, sets[table]) for table, sample in samples.items()}
    relations, broken = list[Relation](), list[Relation]()
    for table, sample in samples.items():
        for column in range(len(sample.header)):
            if not sets[table][column].filled or _is_measure(sample, column):
                continue
            good, bad = _of_column(samples, sets, keys, (table, column))
            relations += good
            broken += [] if good else bad
    return Relations(relations, broken)


def _of_column(
    samples: Mapping[str, Sample],
    sets: Mapping[str, Sequence[ValueSet]],
    keys: Mapping[str, Sequence[int]],
    referring: tuple[str, int],
) -> tuple[list[Relation], list[Relation]]:
    """Return what a column refers to, in each other table at most one key; and what it refers to by name alone."""
    table, column = referring
    good, bad = list[Relation](), list[Relation]()
    for other, sample in samples.items():
        if other == table:
            continue
        candidates = []
        for key in keys[other]:
            names = (samples[table].header[column], table), (sample.header[key], other)
            strength = _strength(*names)
            if not strength and sets[other][key].dense:
                continue
            overlap = sets[table][column].compare(sets[other][key])
            whole = samples[table].whole and sample.whole
            is_relation = _is_relation(overlap, strength, (sets[table][column], sets[other][key]), whole=whole)
            if is_relation or strength == 3:
                relation = Relation(
                    table=table,
                    column=column,
                    other=other,
                    key=key,
                    overlap=overlap,
                    strength=strength,
                    unique=sets[other][key].unique >= 1,
                    because=_evidence(names, overlap),
                )
                candidates.append((is_relation, strength, overlap.share, relation))
        if candidates:
            is_relation, *_, relation = max(candidates, key=lambda candidate: candidate[:3])
            (good if is_relation else bad).append(relation)
    # Names that say which file is meant outweigh those that fit several, and these outweigh values alone.
    best = max((relation.strength for relation in good), default=0)
    return [relation for relation in good if relation.strength == best], bad


def _is_relation(overlap: Overlap, strength: int, values: tuple[ValueSet, ValueSet], *, whole: bool) -> bool:
    referring, key = values
    if not overlap.values:
        return strength == 3  # a few buyers among millions of users: their names alone must do
    if strength == 2:
        return not key.dense and overlap.share >= _BY_VALUES
    if strength == 0 or (strength == 1 and key.dense):
        # Without the names, small numbers match by accident; where both mean the same, large ones of one range do not.
        is_chance = key.dense and not (strength == 1 and referring.spans(key))
        return not is_chance and overlap.values >= _ENOUGH and overlap.share >= _BY_VALUES
    return overlap.share > (_BY_NAME if whole else _BY_NAME_IN_PART)


def _evidence(names: tuple[tuple[str, str], tuple[str, str]], overlap: Overlap) -> str:
    (heading, table), (key, other) = names
    columns = {"column": heading, "table": table, "key": key, "other": other}
    if not overlap.values:
        return Text(
            "relation.names-alone",
            "{column} in {table} is named as {key} of {other}, and no value of the two could be compared",
            **columns,
        )
    return Text(
        "relation.values",
        "{shared:,} of {values:,} different {values:value|values} of {column} in {table} that were compared "
        "{shared:is|are} in {key} of {other}",
        **columns,
        shared=overlap.shared,
        values=overlap.values,
    )


def _keys(sample: Sample, sets: Sequence[ValueSet]) -> list[int]:
    return [
        index
        for index, values in enumerate(sets)
        if values.rows
        and values.filled >= _KEY_FILLED * values.rows
        and values.unique >= _KEY_DIFFERENT
        and not _is_measure(sample, index)
    ]


def _is_measure(sample: Sample, index: int) -> bool:
    """Tell whether a column has times or amounts, which name nothing."""
    cells = [cell.strip() for cell in sample.column(index) if cell.strip()][:_LOOKED_AT]
    pointed = all(re.fullmatch(r"\d+\.0+", cell) for cell in cells)
    measures = sum(bool(_TIME.match(cell) or (_FRACTION.fullmatch(cell) and not pointed)) for cell in cells)
    return 2 * measures > len(cells)


def _strength(referring: tuple[str, str], key: tuple[str, str]) -> int:
    """Return how well the names of two columns agree; see `Relation.strength`."""
    (heading, _), (key_heading, other) = referring, key
    name, key_name = _plain(heading), _plain(key_heading)
    stem, key_stem, file = _stem(name), _stem(key_name), _stem_of_file(other)
    of_file = len(stem) >= _SHORTEST and file.endswith(stem)
    if stem and key_stem in {"", stem, file} and (of_file or (key_stem == stem and _names_ids(key_name))):
        return 3
    if name == key_name and stem and _names_ids(name):
        return 3
    for kind, pattern in usual_names.FILES.items():
        meaning = _MEANINGS[kind]
        fits = name in meaning
        if fits and key_name in meaning:
            return 1
        if fits and not key_stem and re.search(pattern, base_name(other).casefold()):
            return 1
    return 2 if name == key_name and len(name) >= _SHORTEST_WORD else 0


def _plain(heading: str) -> str:
    """Return a plain name, with an `id` in front put behind: id_product is product_id."""
    front = _ID_IN_FRONT.fullmatch(heading.strip())
    return usual_names.plain(f"{front[1]}id" if front else heading)


def _stem(name: str) -> str:
    """Return a plain name without what names of ids end with."""
    for end in _ENDS:
        if name.endswith(end):
            return name.removesuffix(end)
    return name


def _names_ids(name: str) -> bool:
    return name != _stem(name) or any(name in meaning for meaning in _MEANINGS.values())


def _stem_of_file(table: str) -> str:
    """Return what a file is named for, in the singular: order of orders-2026.csv."""
    name = usual_names.plain(re.sub(_COPY, "", base_name(table), flags=re.IGNORECASE))
    for plural, singular in (("ies", "y"), ("ses", "s"), ("s", ""), ("en", "e"), ("목록", ""), ("리스트", "")):
        if name.endswith(plural) and len(name) > len(plural) + 1:
            return name.removesuffix(plural) + singular
    return name


_NO_KEYS = frozenset({"name", "product", "item", "article", "artikel", "상품", "handle"})
_MEANINGS: Mapping[DataKind, frozenset[str]] = {
    "users": frozenset(ranks(f"{usual_names.USER} {usual_names.PHONE}")),
    "items": frozenset(ranks(usual_names.ITEM)) - _NO_KEYS,
    "interactions": frozenset(ranks(usual_names.ORDER)) - _NO_KEYS,
}
"""Names of the ids of users, items and orders."""
