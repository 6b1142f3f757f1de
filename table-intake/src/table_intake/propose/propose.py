# SPDX-License-Identifier: Apache-2.0
"""Propose settings for a file: from its columns' names and some of its rows, as lines for the settings file."""

import math
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from table_intake.check.forms import with_time_of_day, with_usual_minus
from table_intake.columns import schema, statuses, usual_names
from table_intake.columns.header import canonical, is_ignored
from table_intake.kinds import DataKind
from table_intake.propose import values
from table_intake.propose.judgement import judge
from table_intake.propose.samples import Ids, Sample
from table_intake.propose.targets import NO_IDS, find_targets
from table_intake.settings.files import SERIAL, Returns
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,149}")
_MIDNIGHT = re.compile(r"[T ]0?0:00(:00(\.0+)?)?$")
_WIDTH, _WIDTH_OF_WIDE = 76, 50
"""Characters of a line of comments; Korean ones are twice as wide."""
_LONG = 100
"""Characters of a name that settings spell out."""
ELSEWHERE = frozenset({"propose.left-out", "propose.undecided", "propose.missing-retail", "propose.several-forms"})
"""The codes of remarks on one file for which a proposal for several files has a question or sentence of its own."""
_CROWD, _FEW_USERS = 10, 20
"""How many times the sales of a user all guests have together, at least; and users from which on that says anything."""
_OWN_OF_INTERACTIONS = frozenset({"DEVICE", "DEVICE_TYPE", "COUNTRY", "COUNTRY_CODE", "HOUR", "HOUR_OF_DAY", "SEASON"})
"""Columns that a request can fill in as context."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that a file needs, and what they leave open."""

    kind: DataKind
    section: Mapping[str, Any]
    """The section of the kind, with what it has already."""
    shared: Mapping[str, Any] = field(default_factory=dict)
    """Settings beside the section."""
    choices: tuple[str, ...] = ()
    """Lines of the section of which somebody must choose one, each with its meaning."""
    options: tuple[str, ...] = ()
    """Lines of the section that may be right, each with its meaning."""
    remarks: tuple[Text, ...] = ()
    missing: tuple[str, ...] = ()
    """Required columns that no column of the file looks like."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Personalize's names of the columns that have others."""
        columns: Mapping[str, str] = self.section.get("columns", {})
        return columns

    @property
    def empty(self) -> bool:
        """Whether the file needs no other settings than there are."""
        return not self.section and not self.choices and not self.shared and not self.remarks

    def document(self) -> dict[str, Any]:
        """Return the settings without the choices."""
        return {**self.shared, **({self.kind: dict(self.section)} if self.section else {})}

    def lines(self, words: Callable[[str], str] = str) -> list[str]:
        """Return the lines for a settings file; `words` renders a text in the language of the reader."""
        written = []
        for remark in self.remarks:
            told = words(remark)
            width = _WIDTH if told == remark else _WIDTH_OF_WIDE
            written += [f"# {line}" for line in textwrap.wrap(_printable(told), width)]
        for name, value in self.shared.items():
            written += _yaml({name: value})
        if self.section or self.choices:
            written.append(f"{self.kind}:")
        for name, value in self.section.items():
            written += [
                f"  {line}"
                for line in _yaml(
                    {name: value}, flow=None if name in {"ignore", "returns", "skip", "fill_down"} else False
                )
            ]
        return written + [f"  # {_printable(words(line))}" for line in (*self.choices, *self.options)]

    def flow(self) -> str:
        """Return the settings on one line."""
        document = self.document()
        (text,) = _yaml(document, flow=True)
        return text if len(document) > 1 else text.removeprefix("{").removesuffix("}")


def _yaml(document: Mapping[str, Any], *, flow: bool | None = None) -> list[str]:
    """Return lines of YAML, whose innermost collections are on one line each where `flow` is None."""
    from table_intake.settings import yaml_core  # noqa: PLC0415 - PyYAML, which only a file that needs settings needs

    return yaml_core.dump(document, default_flow_style=flow, width=math.inf).splitlines()


def propose_settings(
    sample: Sample, settings: TableSettings, kind: DataKind | None = None, ids: Ids = NO_IDS
) -> Proposal | None:
    """Return settings with which a file can be read; without any where it needs none; None where its kind is unknown.

    Args:
        sample: of the file.
        settings: what the shop has set, which stays.
        kind: what the file has; None to tell it by its columns, and where they leave it open, by its name.
        ids: of the shop's interactions, by which a file of users or items tells the column of its key.
    """
    kind = kind or judge(sample, settings).kind
    return None if kind is None else propose_for(sample, settings, kind, ids)


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
        self._numbers_of_returns: list[int] = []
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
        rows = self._rows()
        proposed = {
            **({"columns": columns} if columns else {}),
            **({"ignore": ignore} if ignore else {}),
            **section,
            **self._times(),
            **self._numbers(),
            **self._event_types(),
            **self._ids(),
            **rows,
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
        return mapping.get(name_here, name_here).replace("_", "") == name.replace("_", "")

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
                        columns=_listed(left),
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
        if beside := self._time_of_day(heading, days):
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

    def _numbers(self) -> dict[str, Any]:
        """Return the settings for the marks of numbers."""
        sample, section = self._sample, dict[str, Any]()
        numeric = [self._targets[name] for name in ("PRICE", "EVENT_VALUE") if name in self._targets]
        numeric += self._numbers_of_returns
        if not self._files.rewrites_numbers and numeric:
            form = values.numbers([_without_minus(sample.column(index)) for index in numeric])
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

    def _returns(self) -> list[dict[str, Any]]:
        """Return the conditions on numbers that make a row a return; note the columns that they read."""
        header, chosen = self._sample.header, self._settings.recognised_returns
        if self._kind != "interactions":
            return []
        if chosen:
            named = {canonical(name) for rule in chosen if not rule.values for name in (rule.column, rule.of) if name}
            self._numbers_of_returns = [index for index, name in enumerate(header) if canonical(name) in named]
            return []
        quantity = self._quantity()
        if quantity is None:
            return []
        rules, heading = list[dict[str, Any]](), header[quantity]
        cells = _without_minus(self._sample.column(quantity))
        below = sum(bool(re.match(r"-\S|.*\d-$", cell)) for cell in cells)
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
            self._numbers_of_returns.append(quantity)
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
                self._numbers_of_returns += [index, quantity]
        return rules

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

    def _rows(self) -> dict[str, Any]:
        """Return which rows are no sales: those that were never sold or are frames of others, and what came back."""
        if self._kind != "interactions":
            return {}
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
        if looked_at and self._sample.read > len(self._sample.rows):
            self._remarks.append(
                Text(
                    "propose.counted",
                    "statuses are counted in the {rows:,} {rows:row|rows} read",
                    rows=self._sample.read,
                )
            )
        self._note_changes_of_status(looked_at)
        return {
            **self._fill_down(looked_at),
            **({"skip": {**self._files.model_dump(include={"skip"}, mode="json")["skip"], **skip}} if skip else {}),
            **({"returns": _conditions(chosen, returns)} if returns else {}),
        }

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
            if usual_names.plain(cell) in usual_names.GUESTS and (not values.is_number(cell) or count >= usual)
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
        wanted = {*looked_at, *self._targets.values(), order.by}
        columns = [header[index] for index in order.columns if index in wanted]
        if not columns:
            return {}
        self._remarks.append(
            Text(
                "propose.fill-down",
                "{columns} {count:has|have} a value in the first row of an order alone: fill_down carries it to the "
                "others with the same {order}",
                columns=_listed(columns),
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
                if key[0] and before != status and column.meaning(before) != column.meaning(status):
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

    def _other_numbers(self, but: Sequence[int]) -> list[list[str]]:
        """Return the columns that have numbers only, apart from ids and times."""
        others = set(range(len(self._sample.header))) - {*but, *self._targets.values()}
        cells = {index: [cell for cell in self._sample.column(index) if cell.strip()] for index in sorted(others)}
        return [
            cells_of_column
            for cells_of_column in cells.values()
            if cells_of_column and all(map(values.is_number, cells_of_column))
        ]

    def _quantity(self) -> int | None:
        """Return the column that tells how many were bought, of interactions."""
        ranks, used = usual_names.ranks(usual_names.QUANTITY), set(self._targets.values())
        places = [
            (ranks[name], index)
            for index, heading in enumerate(self._sample.header)
            for name in usual_names.forms(heading)
            if name in ranks and index not in used
        ]
        return min(places)[1] if places and self._kind == "interactions" else None

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


def _conditions(chosen: Sequence[Returns], more: Sequence[Mapping[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
    """Return the conditions that make a row a return: those that there are, and more."""
    every = [*(rule.model_dump(mode="json", exclude_defaults=True) for rule in chosen), *map(dict, more)]
    return every[0] if len(every) == 1 else every


def _without_minus(cells: Sequence[str]) -> list[str]:
    """Return cells with a hyphen for every other minus."""
    return (
        pl.Series(cells, dtype=pl.String)
        .to_frame("cell")
        .select(with_usual_minus(pl.col("cell").str.strip_chars()))
        .to_series()
        .to_list()
    )


def _number(cell: str) -> float:
    digits = re.sub(r"[^\d.,-]", "", cell).replace(",", ".")
    return float(digits) if re.fullmatch(r"-?\d+(\.\d*)?", digits) else math.nan


def _listed(header: Sequence[str]) -> str:
    return Text.some_of([heading.strip() or "''" for heading in header])


def _printable(text: str) -> str:
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def _quoted(form: str) -> str:
    return "'" + form.replace("'", "''") + "'"
