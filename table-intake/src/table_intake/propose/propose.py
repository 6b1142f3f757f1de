# SPDX-License-Identifier: Apache-2.0
"""Propose settings for a file: from its columns' names and some of its rows, as lines for the settings file."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from table_intake.check.forms import with_time_of_day
from table_intake.columns import choices, schema, usual_names
from table_intake.columns.header import canonical, is_ignored
from table_intake.kinds import OF_ACTIONS, DataKind
from table_intake.propose import values
from table_intake.propose.judgement import judge
from table_intake.propose.proposal import Proposal
from table_intake.propose.samples import Ids, Sample
from table_intake.propose.sold_rows import SoldRows, find_sold_rows, listed, rows_without_item, without_minus
from table_intake.propose.targets import NO_IDS, find_targets
from table_intake.settings.files import SERIAL
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,149}")
_MIDNIGHT = re.compile(r"[T ]0?0:00(:00(\.0+)?)?$")
_LONG = 100
"""Characters of a name that settings spell out."""
ELSEWHERE = frozenset({"propose.left-out", "propose.undecided", "propose.missing-retail", "propose.several-forms"})
"""The codes of remarks on one file for which a proposal for several files has a question or sentence of its own."""
_OWN_OF_INTERACTIONS = frozenset({"DEVICE", "DEVICE_TYPE", "COUNTRY", "COUNTRY_CODE", "HOUR", "HOUR_OF_DAY", "SEASON"})
"""Columns that a request can fill in as context."""


def propose_settings(
    sample: Sample, settings: TableSettings, kind: DataKind | None = None, ids: Ids = NO_IDS
) -> Proposal | None:
    """Return settings with which a file can be read; without any where it needs none; None where its kind is unknown.

    Nothing is proposed for actions and what users did with them, whose columns have no usual names.

    Args:
        sample: of the file.
        settings: what the shop has set, which stays.
        kind: what the file has; None to tell it by its columns, and where they leave it open, by its name.
        ids: of the shop's interactions, by which a file of users or items tells the column of its key.
    """
    kind = kind or judge(sample, settings).kind
    return None if kind is None or kind in OF_ACTIONS else propose_for(sample, settings, kind, ids)


def propose_for(sample: Sample, settings: TableSettings, kind: DataKind, ids: Ids = NO_IDS) -> Proposal:
    """Return settings with which a file of a kind can be read; see `propose_settings`."""
    return _Proposer(sample, settings, kind, ids).proposal()


class _Proposer:
    """Proposes the settings of one file."""

    def __init__(self, sample: Sample, settings: TableSettings, kind: DataKind, ids: Ids) -> None:
        self._sample = sample
        self._settings = settings
        self._kind = kind
        self._recognised = schema.recognised(kind, settings.personalize_domain)
        self._files = settings.file_settings(kind)
        self._choices: list[str] = []
        self._options: list[str] = []
        targets = find_targets(sample, settings, kind, ids)
        self._targets, self._remarks = targets.indices, [*targets.remarks]

    def proposal(self) -> Proposal:
        settings = self._settings.own_file_settings(self._kind)
        section = {**settings}
        columns = {**self._columns(), **section.pop("columns", {})}
        named = {heading.casefold() for heading in columns}
        ignore = [*section.pop("ignore", [])]
        for heading in self._ignored(columns):
            if heading.casefold() not in named:
                ignore.append(heading if len(heading) <= _LONG else f"{heading[:_LONG]}*")
        missing = self._missing()
        rows = SoldRows({}, (), ())
        if self._kind == "interactions":
            rows = find_sold_rows(self._sample, self._settings, self._targets)
        elif self._kind == "items":
            dashes, notes = rows_without_item(self._sample, self._settings, self._kind, self._targets)
            skip = {**self._files.model_dump(include={"skip"}, mode="json")["skip"], **dashes}
            rows = SoldRows({"skip": skip} if dashes else {}, (), notes)
        self._remarks += rows.remarks
        proposed = {
            **({"columns": columns} if columns else {}),
            **({"ignore": ignore} if ignore else {}),
            **section,
            **self._times(),
            **self._numbers(rows.numbers),
            **self._event_types(),
            **self._ids(),
            **rows.section,
        }
        new, shared = {} if proposed == settings else proposed, self._rejects()
        unread = Text("propose.unread", "no row of it could be read: this is told by the names of columns alone")
        remarks = (*([] if self._sample.rows else [unread]), *self._way(missing), *self._remarks)
        return Proposal(
            self._kind,
            new,
            shared,
            choices=tuple(self._choices),
            options=tuple(self._options),
            remarks=remarks,
            missing=missing,
        )

    def _columns(self) -> dict[str, str]:
        """Return the columns that settings must map."""
        header = self._sample.header
        mapped = {
            header[index]: name
            for name, index in self._targets.items()
            if name in {*self._recognised, *usual_names.TARGETS[self._kind]}
            and not self._is_understood(header[index], name)
        }
        return {**mapped, **self._own_columns(mapped)}

    def _is_understood(self, heading: str, name: str) -> bool:
        mapping = {canonical(mapped): ours for mapped, ours in self._files.columns.items()}
        name_here = canonical(heading)
        plain_name = mapping.get(name_here, name_here).replace("_", "")
        return plain_name == name.replace("_", "") or choices.USUAL.get(plain_name) == name

    def _own_columns(self, mapped: Mapping[str, str]) -> dict[str, str]:
        """Return translations of names that Personalize does not take."""
        if self._kind == "interactions":
            return {}
        taken = {*mapped.values(), *self._files.columns.values(), *map(canonical, self._sample.header)}
        translations = dict[str, str]()
        for heading in self._sample.header:
            name = usual_names.translated(heading, self._kind)
            if (
                name
                and canonical(heading) != name
                and heading not in mapped
                and name not in {*taken, *translations.values()}
                and not self._is_mapped(heading)
            ):
                translations[heading] = name
        return translations

    def _is_mapped(self, heading: str) -> bool:
        return canonical(heading) in map(canonical, self._files.columns)

    def _ignored(self, columns: Mapping[str, str]) -> list[str]:
        """Return the columns that settings must leave out."""
        header = self._sample.header
        used = set(self._targets.values())
        rest = [
            heading
            for index, heading in enumerate(header)
            if index not in used and heading not in columns and not is_ignored(heading, self._files.ignore, None)
        ]
        recognised = {name.replace("_", "") for name in self._recognised}
        # A known name whose column is not the one that is meant, such as an empty user_id.
        false = [heading for heading in rest if canonical(heading).replace("_", "") in recognised]
        rest = [heading for heading in rest if heading not in false and not self._is_mapped(heading)]
        if self._kind == "interactions":
            possible = [heading for heading in rest if canonical(heading) in _OWN_OF_INTERACTIONS]
            left = [heading for heading in rest if heading not in possible]
            if left and (columns or false or not self._fits(rest)):
                self._remarks.append(
                    Text(
                        "propose.left-out",
                        "left out, since columns does not name them: {columns}",
                        columns=listed(left),
                    )
                )
                for heading in possible:
                    self._remarks.append(
                        Text(
                            "propose.context",
                            "{column} can be context: name it in columns to keep it",
                            column=heading,
                        )
                    )
                return [*false, "*"]
            return false
        seen = {canonical(header[index]) for index in used} | set(columns.values())
        bad = []
        for heading in rest:
            name = canonical(heading)
            personal = self._kind == "users" and usual_names.PERSONAL.fullmatch(usual_names.plain(heading))
            if not _NAME.fullmatch(name) or name in seen or personal:
                bad.append(heading)
            seen.add(name)
        return [*false, *bad]

    def _fits(self, rest: Sequence[str]) -> bool:
        """Tell whether a dataset can have columns under the names that they have."""
        names_here = [canonical(heading) for heading in rest]
        fine = all(_NAME.fullmatch(name) for name in names_here) and len(set(names_here)) == len(names_here)
        return fine and len(names_here) <= schema.METADATA_LIMITS[self._kind]

    def _missing(self) -> tuple[str, ...]:
        given = {*self._files.defaults, *(["EVENT_TYPE"] if self._kind == "interactions" else [])}
        required = [column.name for column in schema.required(self._kind, self._settings.personalize_domain)]
        return tuple(name for name in required if name not in self._targets and name not in given)

    @staticmethod
    def _way(missing: Sequence[str]) -> list[Text]:
        """Return a remark about required columns that no column of the file looks like."""
        if not missing:
            return []
        columns = Text.any_of(missing)
        if set(missing) <= {"PRICE", "CATEGORY_L1"}:
            return [
                Text(
                    "propose.missing-retail",
                    "no column looks like {columns}: name the column under columns, give each a value under defaults, "
                    "or set domain: custom before the first drop",
                    columns=columns,
                )
            ]
        return [
            Text(
                "propose.missing",
                "no column looks like {columns}: name the column under columns",
                columns=columns,
            )
        ]

    def _times(self) -> dict[str, Any]:
        """Return the settings for the columns of times."""
        section: dict[str, Any] = {}
        if self._files.dates or self._files.unit:
            return section
        name = "TIMESTAMP" if self._kind == "interactions" else "CREATION_TIMESTAMP"
        if name not in self._targets:
            return section
        heading = self._sample.header[self._targets[name]]
        cells = self._sample.column(self._targets[name])
        days = [cell.strip() for cell in cells if cell.strip()]
        beside = self._time_of_day(heading, days)
        if beside is not None:
            times = pl.Series(self._sample.column(beside), dtype=pl.String)
            joined = with_time_of_day(pl.Series(cells, dtype=pl.String), times).to_list()
            if self._files.time_of_day or not values.times(joined).problem:
                cells = joined
                section["time_of_day"] = self._sample.header[beside]
                self._remarks.append(
                    Text(
                        "propose.time-of-day",
                        "{column} has the day alone, so time_of_day adds {other}",
                        column=heading,
                        other=self._sample.header[beside],
                    )
                )
            else:
                self._remarks.append(
                    Text(
                        "propose.time-lost",
                        "{column} has the day alone, and {other} the time of day, which is lost: put both into one "
                        "column if the order within a day matters",
                        column=heading,
                        other=self._sample.header[beside],
                    )
                )
        forms = values.times(cells)
        days = [cell.strip() for cell in cells if cell.strip()]
        example = values.ambiguous(days, forms.dates) or "".join(days[:1])
        if forms.problem:
            self._remarks.append(Text("propose.times", "{column}: {problem}", column=heading, problem=forms.problem))
        if forms.dates == (SERIAL,):
            self._remarks.append(
                Text(
                    "propose.serial",
                    "{column} has days as spreadsheets count them: {number} is {day}",
                    column=heading,
                    number=days[0],
                    day=values.written(values.of_serial(days[0])),
                )
            )
        if forms.unit:
            section["unit"] = forms.unit
        if len(forms.dates) == 1:
            section["dates"] = forms.dates[0]
        for form in forms.dates if len(forms.dates) > 1 else ():
            day = values.day(example, form)
            text = "dates: {form}  # if {example} is {day}"
            self._choices.append(Text("propose.if-dates", text, form=_quoted(form), example=example, day=day))
        if len(forms.dates) > 1:
            self._remarks.append(
                Text(
                    "propose.several-forms",
                    "{column} can be read in {ways} ways: take one of the lines with dates",
                    column=heading,
                    ways=len(forms.dates),
                )
            )
        if not forms.zoned and self._files.timezone == "UTC":
            text = "timezone: Asia/Seoul  # or yours, if the times are not in UTC"
            self._options.append(Text("propose.if-timezone", text))
        return section

    def _time_of_day(self, heading: str, days: Sequence[str]) -> int | None:
        """Return the column that has the time of day, where the one of the time has the day alone."""
        wanted = self._files.time_of_day
        if wanted is None and (not days or any(":" in day and not _MIDNIGHT.search(day) for day in days)):
            return None
        for index, other in enumerate(self._sample.header):
            is_named = canonical(other) == canonical(wanted) if wanted else False
            is_usual = wanted is None and usual_names.plain(other) in usual_names.TIMES_OF_DAY
            if (is_named or is_usual) and other != heading and self._sample.filled(index) > 0:
                return index
        return None

    def _numbers(self, of_returns: Sequence[int]) -> dict[str, Any]:
        """Return the settings for the marks of numbers."""
        sample, section = self._sample, dict[str, Any]()
        numeric = [self._targets[name] for name in ("PRICE", "EVENT_VALUE") if name in self._targets]
        numeric += of_returns
        if not self._files.rewrites_numbers and numeric:
            form = values.numbers([without_minus(sample.column(index)) for index in numeric])
            currency = form.currency
            if form.example:
                # Other columns tell which mark is which, though they are not imported.
                form = values.numbers([*map(sample.column, numeric), *self._other_numbers(numeric)])
            settings = {"decimal": form.decimal, "thousands": form.thousands, "currency": currency}
            section |= {name: value for name, value in settings.items() if value is not None}
            prices = [cell for index in numeric for cell in sample.column(index)]
            if not section and any(re.fullmatch(r"[\d.]+\s*-", cell.strip()) for cell in prices):
                # Numbers whose form the settings name may have their sign behind them.
                section["decimal"] = "."
            if form.example:
                whole = form.example.replace(form.thousands or "", "")
                self._remarks.append(
                    Text(
                        "propose.thousands",
                        "{number} is read as {whole}: leave thousands out if it is a fraction",
                        number=form.example,
                        whole=whole,
                    )
                )
        return section

    def _event_types(self) -> dict[str, Any]:
        """Return the names of event types that go by others here."""
        section = self._settings.interactions
        if self._kind != "interactions" or "EVENT_TYPE" not in self._targets or (section and section.event_types):
            return {}
        there = dict.fromkeys(self._sample.column(self._targets["EVENT_TYPE"]))
        translations = {
            event_type: ours
            for event_type in there
            if (ours := usual_names.event(event_type)) not in {None, event_type}
        }
        return {"event_types": translations} if translations else {}

    def _other_numbers(self, but: Sequence[int]) -> list[list[str]]:
        """Return the columns that have numbers only, apart from ids and times."""
        others = set(range(len(self._sample.header))) - {*but, *self._targets.values()}
        cells = {index: [cell for cell in self._sample.column(index) if cell.strip()] for index in sorted(others)}
        return [
            cells_of_column
            for cells_of_column in cells.values()
            if cells_of_column and all(map(values.is_number, cells_of_column))
        ]

    def _ids(self) -> dict[str, Any]:
        """Return the setting for ids that a program took for numbers, and note them."""
        section: dict[str, Any] = {}
        for name in ("USER_ID", "ITEM_ID"):
            cells = [cell for cell in self._sample.column(self._targets[name]) if cell] if name in self._targets else []
            if cells and sum(bool(re.fullmatch(r"\d+\.0+", cell)) for cell in cells) >= values.ENOUGH * len(cells):
                heading, other = self._sample.header[self._targets[name]], cells[0].partition(".")[0]
                section["ids"] = "whole"
                self._remarks.append(
                    Text(
                        "propose.ids",
                        "{column} has ids like {id}, as programs write that took them for numbers: ids reads them as "
                        "whole numbers, so that they match {whole} in other files and in what your pages send",
                        column=heading,
                        id=cells[0],
                        whole=other,
                    )
                )
        return section

    def _rejects(self) -> dict[str, Any]:
        """Return a limit of bad rows that lets a file in of which some rows have no user."""
        names = ("USER_ID", "ITEM_ID", "TIMESTAMP")
        required = [name for name in names if name in self._targets and name in self._recognised]
        empty = {name: 1 - self._sample.filled(self._targets[name]) for name in required}
        share = sum(empty.values())
        if not self._sample.rows or share <= self._settings.rejects.limit:
            return {}
        for name, part in empty.items():
            if part:
                heading = self._sample.header[self._targets[name]]
                self._remarks.append(
                    Text(
                        "propose.empty",
                        "{column} is empty in {share:.1%} of the rows seen: rejects.limit lets in the others",
                        column=heading,
                        share=part,
                    )
                )
        return {"rejects": {"limit": min(1.0, math.ceil(share * 120) / 100)}}


def _quoted(form: str) -> str:
    return "'" + form.replace("'", "''") + "'"
