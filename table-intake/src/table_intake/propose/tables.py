# SPDX-License-Identifier: Apache-2.0
"""The tables of an export as one looks at them together: without those that are there twice, parts as one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile

from table_intake.columns.header import canonical
from table_intake.propose.questions import LeftOut
from table_intake.propose.samples import Sample
from table_intake.propose.value_sets import ValueSet
from table_intake.settings.exports import matching
from table_intake.wording import Text

_SAME_KEYS = 0.1
"""The share of keys of one part that another part has, from which on they are no parts of one table."""
_UNIQUE = 0.98


def different(samples: Mapping[str, Sample]) -> tuple[dict[str, Sample], list[LeftOut], list[str]]:
    """Return tables that differ, those left out, and sentences about what was put together.

    Files with the same columns and other rows, such as orders-2025.csv and orders-2026.csv, are parts of one table: its
    name is the pattern that fits them.
    """
    tables, left_out, sentences = dict[str, Sample](), list[LeftOut](), list[str]()
    for group in _alike(samples):
        parts = list[str]()
        for name in group:
            sample = samples[name]
            if twin := next((other for other in parts if _is_same(sample, samples[other])), None):
                reason = Text("left-out.copy", "it has the same rows as {table}: one of the two is enough", table=twin)
                left_out.append(LeftOut(name, (), reason, sample.read))
            elif other := next((other for other in parts if _has_same_keys(sample, samples[other])), None):
                reason = Text(
                    "left-out.two-shops",
                    "it has the columns of {table} and ids that are there as well, with other rows: these are files of "
                    "two shops, or two exports of one time. Leave one of them out",
                    table=other,
                )
                left_out.append(LeftOut(name, (), reason, sample.read))
            else:
                parts.append(name)
        pattern = _pattern(parts, tuple(samples))
        if len(parts) > 1 and pattern:
            tables[pattern] = _together(pattern, [samples[name] for name in parts])
            sentences.append(
                Text(
                    "export.parts",
                    "{tables} have the same columns and are read as one table ({pattern})",
                    tables=Text.all_of(parts),
                    pattern=pattern,
                )
            )
            continue
        tables[parts[0]] = samples[parts[0]]
        for name in parts[1:]:
            reason = Text(
                "left-out.alike",
                "it has the columns of {table}: name such files alike, as in orders-1.csv and orders-2.csv",
                table=parts[0],
            )
            left_out.append(LeftOut(name, (), reason, samples[name].read))
    return tables, left_out, sentences


def _alike(samples: Mapping[str, Sample]) -> list[list[str]]:
    groups = dict[tuple[str, ...], list[str]]()
    for name, sample in samples.items():
        groups.setdefault(tuple(map(canonical, sample.header)), []).append(name)
    # Of a file and its copy, the copy has the longer name.
    return [sorted(group, key=lambda name: (len(name), name)) for group in groups.values()]


def _is_same(sample: Sample, other: Sample) -> bool:
    return sample.read == other.read and [*map(tuple, sample.rows)] == [*map(tuple, other.rows)]


def _has_same_keys(sample: Sample, other: Sample) -> bool:
    pairs = zip(sample.value_sets(), other.value_sets(), strict=True)
    return any(
        min(here.unique, there.unique) >= _UNIQUE and here.whole is not None and here.compare(there).share > _SAME_KEYS
        for here, there in pairs
    )


def _pattern(names: Sequence[str], every: tuple[str, ...]) -> str:
    """Return the pattern that fits some names and no other ones; "" where there is none."""
    begin = _common(names)
    end = _common([name[len(begin) :][::-1] for name in names])[::-1]
    pattern = f"{begin}*{end}"
    fits = len(names) > 1 and bool(begin) and matching(pattern, every) == tuple(sorted(names))
    return pattern if fits else ""


def _common(names: Sequence[str]) -> str:
    """Return the characters with which all names begin."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)


def _together(name: str, parts: Sequence[Sample]) -> Sample:
    counts = dict[int, Counter[str]]()
    for part in parts:
        for index, values in part.counts.items():
            counts.setdefault(index, Counter()).update(values)
    return Sample(
        name,
        parts[0].header,
        [row for part in parts for row in part.rows],
        read=sum(part.read for part in parts),
        counts=counts,
        order=parts[0].order,
        sets=[_sum(sets) for sets in zip(*(part.value_sets() for part in parts), strict=True)],
        whole=all(part.whole for part in parts),
    )


def _sum(sets: Sequence[ValueSet]) -> ValueSet:
    """Return the values of several parts of a column."""
    ends = [values.whole for values in sets if values.filled]
    numbers = [end for end in ends if end is not None]
    all_whole = numbers and len(numbers) == len(ends)
    return ValueSet.of(
        (sum(values.filled for values in sets), sum(values.rows for values in sets)),
        [values.kept_values for values in sets],
        min(values.limit for values in sets),
        (min(low for low, _ in numbers), max(high for _, high in numbers)) if all_whole else None,
    )
