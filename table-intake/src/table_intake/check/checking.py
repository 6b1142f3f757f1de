# SPDX-License-Identifier: Apache-2.0
"""Stream a drop into its import copy: name and order columns as in the schema, fill gaps, leave out bad rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import polars as pl

from table_intake import streamed
from table_intake.check import cell_rules, findings
from table_intake.check.counts import PLACEHOLDERS, Counting, Different
from table_intake.check.findings import Expected, Findings
from table_intake.check.forms import check_zone, convert, with_time_of_day
from table_intake.check.profiles import Profile
from table_intake.check.rejects import Rejects
from table_intake.check.row_rules import RowRules, count_statuses
from table_intake.check.sold import Sold
from table_intake.check.state import State, joined
from table_intake.check.tallies import PARTITIONS
from table_intake.columns import choices, schema
from table_intake.columns.header import Layout, Slot, arrange, canonical
from table_intake.columns.schema import RETURN, TEXT_LENGTH, Schema
from table_intake.kinds import EVENTS
from table_intake.read.irregular import LINE
from table_intake.read.line_breaks import BREAK
from table_intake.read.rows import render, source
from table_intake.table import Rows, Table
from table_intake.wording import Text
from table_intake.write.lines import Lines

_DISCOURAGED = r"[^\p{L}\p{M}\p{N}._:@/+=~-]"
"""Characters that ids should not contain."""
_LONGEST_STATUS = 100
"""Characters of a status that are looked at."""
_POINTED = r"^([0-9]+)\.0+$"
_CHANGES = {
    "skipped": "{count:,} {count:row was|rows were} left out, as the setting skip says: {name}",
    "carried": (
        "{count:,} empty {count:cell|cells} of {name} took the value above in the same order, as the setting fill_down "
        "says"
    ),
    "hollow": (
        "{count:,} {count:cell|cells} of {name}, which fill_down names, {count:stays|stay} empty: the order has no "
        "value above"
    ),
    "filled": "{count:,} empty {count:cell|cells} of {name} {count:was|were} filled in",
    "converted": (
        "{count:,} {count:time|times} of {name} {count:was|were} turned into whole Unix seconds ({zone} where "
        "{count:it names|they name} no zone)"
    ),
    "numbers": (
        "{count:,} {count:number|numbers} of {name} {count:was|were} written with a point before decimals, and "
        "without signs"
    ),
    "whole": (
        "{count:,} {count:id|ids} of {name} {count:was|were} read as {count:a whole number|whole numbers}, as the "
        "setting ids says: 17850.0 is 17850"
    ),
    "renamed": "{count:,} {count:value|values} of {name} {count:was|were} renamed as the settings say",
    "worded": "{count:,} {count:value|values} of {name} {count:was|were} put in capitals, as Personalize writes them",
    "joined": (
        "{count:,} {count:value|values} of {name} had line breaks, which are spaces now: Personalize reads one record "
        "a line"
    ),
    "cut": (
        "{count:,} {count:value|values} of {name} {count:was|were} cut off at {most:,} characters, the most that "
        "Personalize takes"
    ),
}
"""How the import changes cells, and the notes about it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one pass over a drop."""

    layout: Layout
    schema: Schema
    findings: Findings
    rejects: Rejects
    ids: bytes | None
    """The hashes of a Users or Items dataset's ids; see `counts.hash_ids`."""
    sold: Sold | None = None
    """Counts of items in interactions."""
    choices: pl.DataFrame | None = None
    """Each `user` who says something about personal lists, once, and whether they are `wanted`."""


@dataclass(slots=True)
class Partial:
    """The result of checking some rows of a drop; those of all its rows add up to the result for the drop."""

    header: Sequence[str]
    layout: Layout
    profile: Profile
    rejects: Rejects
    counting: Counting
    lines: Lines | None
    size: int = 0
    """Bytes of the import copy."""
    stopped: int = 0
    """The last checked line, where the check ended early."""
    choices: list[pl.DataFrame] = field(default_factory=list)
    """As in `Checked`, of each piece; a user may be in several."""

    def state(self) -> State:
        """Return what another process needs, except the hashes and the lines of items."""
        parts = joined(
            {"profile": self.profile.state(), "rejects": self.rejects.state(), "counting": self.counting.state()}
        )
        document = {"header": [*self.header], "size": self.size, "stopped": self.stopped}
        frames = {"choices": pl.concat(self.choices)} if self.choices else {}
        return State({**parts.document, **document}, {**parts.frames, **frames})

    def merge(self, state: State, lines: int) -> None:
        """Add the result for the next rows of the file, which come after so many lines."""
        self.profile.merge(state.inner("profile"))
        self.rejects.merge(state.inner("rejects"), lines)
        self.counting.merge(state.inner("counting"))
        self.size += state.document["size"]
        self.choices += [frame for name, frame in state.frames.items() if name == "choices"]
        if state.document["stopped"]:
            self.stop(state.document["stopped"] + lines)

    def stop(self, line: int) -> None:
        """Record that the rows after a line are not checked."""
        self.stopped = line
        self.rejects.stop(line)


def begin(
    expected: Expected,
    header: Sequence[str],
    scratch: Path,
    partitions: int = PARTITIONS,
    lines: Lines | None = None,
) -> Partial:
    """Return the result for no rows.

    Args:
        expected: the drop's requirements.
        header: the drop's column names.
        scratch: a folder for counts that do not fit into memory.
        partitions: of the hashes; see `Counting`.
        lines: takes the good rows besides their copy.

    Raises:
        Refused: wrong columns, or an unknown time zone.
    """
    layout = arrange(expected.resource, expected.kind, header, expected.settings, expected.existing)
    if expected.item_names:
        schema.check_texts(
            expected.resource,
            expected.item_names,
            columns=layout.names(),
            added=layout.added,
            existing=expected.existing,
        )
    for zone in {slot.form.timezone for slot in layout.slots if slot.form is not None}:
        check_zone(expected.resource, zone)
    return Partial(
        header,
        layout,
        Profile(layout.slots),
        rejects=Rejects(expected, layout.checked, len(header), hides=bool(layout.hashed)),
        counting=Counting(expected, scratch, partitions),
        lines=lines,
    )


def check_table(
    table: Table,
    expected: Expected,
    write: Callable[[bytes | memoryview], object],
    scratch: Path,
    note_lines: Callable[[pl.Series], object] | None = None,
    lines: Lines | None = None,
) -> Checked:
    """Check every row of a drop, and write the good ones in the form of the import.

    The check ends early where too many rows are bad, whatever follows; see `Rejects.is_hopeless`.

    Args:
        table: the drop; see `table_intake.open_table`.
        expected: the drop's requirements.
        write: takes the bytes of the copy: the header, then the rows of each piece. The caller throws them away if the
            drop is refused in the end; see `findings.problems`.
        scratch: a folder for counts that do not fit into memory.
        note_lines: takes the line numbers of the rows that are written next.
        lines: takes the good rows besides their copy.

    Raises:
        Refused: the file is not a table, is nearly all blank lines, or has wrong columns.
    """
    pieces = check_event_copies(expected, table)
    partial = begin(expected, table.header, scratch, lines=lines)
    write((",".join(partial.layout.names()) + "\n").encode())
    check_rows(pieces, expected, partial, Output(write, note_lines, table.rows_left))
    return conclude(expected, partial, partial.counting.different(), table.notes)


@dataclass(frozen=True, slots=True)
class Output:
    """Where the rows of a copy go."""

    write: Callable[[bytes | memoryview], object]
    note_lines: Callable[[pl.Series], object] | None = None
    """Takes the line numbers of the rows that are written next."""
    rows_left: Callable[[int], int | None] = lambda _: None
    """Returns how many rows of the drop may still come, at most, of so many bytes at least."""


def check_rows(
    rows: Iterable[Rows], expected: Expected, partial: Partial, output: Output, *, whole: bool = True
) -> None:
    """Check rows, write the good ones and count them; `whole` tells whether they begin with the first of the drop."""
    checker = _Checker(expected, partial, warns_first=whole)
    for piece in rows:
        lines, parts = checker.take(piece)
        if output.note_lines is not None:
            output.note_lines(lines)
        for data in parts:
            output.write(data)
        left = output.rows_left(partial.rejects.shortest)
        if not piece.last and partial.rejects.is_hopeless(left, whole=whole):
            partial.stop(piece.end)
            break


def conclude(expected: Expected, partial: Partial, different: Different, notes: Sequence[str] = ()) -> Checked:
    """Return the result for a drop from that of all its rows; `notes` are about the file."""
    layout, profile = partial.layout, partial.profile
    drop_schema = Schema(layout.kind, profile.columns(layout.slots))
    if expected.existing is None:
        drop_schema = schema.finish(expected.resource, drop_schema)
    if expected.item_names:
        new = layout.names() if expected.existing is None else layout.added
        drop_schema = schema.with_texts(drop_schema, expected.item_names, new)
    counted = partial.counting.finish(different)
    results = Findings(
        rows=partial.rejects.read,
        accepted=partial.counting.rows,
        reasons=partial.rejects.reasons(),
        columns=profile.filled(drop_schema.columns),
        size=partial.size,
        skipped=sum(rows for (kind, _), rows in profile.changes.items() if kind == "skipped"),
        stopped=partial.stopped,
        notes=(*notes, *layout.notes, *_notes(layout, profile)),
        fates={name: (column, profile.statuses.get(name, {})) for name, _, column in layout.fates},
        **counted.findings,
    )
    results = replace(results, notes=(*results.notes, *findings.warnings(expected, results)))
    return Checked(
        layout,
        drop_schema,
        results,
        rejects=partial.rejects,
        ids=counted.ids,
        sold=counted.sold,
        choices=_each_once(partial.choices) if partial.choices else None,
    )


def _each_once(choices: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return what each user says: who says both objects."""
    return pl.concat(choices).group_by("user", maintain_order=True).agg(pl.col("wanted").all())


def check_event_copies(expected: Expected, table: Table) -> Iterator[Rows]:
    """Return the rows of a drop, after checking copies of events for rows that the dataset group has already.

    The first piece is checked at once, since this reason comes before any about columns.
    """
    rows, names = table.rows(), [canonical(name) for name in table.header]
    if expected.group is None or streamed.MARK not in names:
        return rows
    group, marks = expected.group, source(names.index(streamed.MARK))

    def checked() -> Iterator[Rows]:
        for rows_of_piece in rows:
            group.refuse(expected.resource, rows_of_piece.frame[marks].unique().to_list())
            yield rows_of_piece

    pieces = checked()
    first = next(pieces, None)
    return pieces if first is None else chain([first], pieces)


class _Checker:
    """Checks and counts rows as they stream past."""

    def __init__(self, expected: Expected, partial: Partial, *, warns_first: bool) -> None:
        self._expected = expected
        self._partial = partial
        self._layout = layout = partial.layout
        self._slots, self._profile = layout.slots, partial.profile
        self._sources = {slot.name: source(slot.source) for slot in layout.slots if slot.source is not None}
        self._same = [slot.source for slot in layout.slots] == list(range(len(partial.header)))
        self._joins = any(slot.clock is not None for slot in layout.slots)
        self._first = warns_first
        self._broken_default = any(BREAK.search(slot.default or "") for slot in layout.slots)
        names = layout.names()
        long = next((slot.name for slot in layout.slots if slot.column and slot.column.textual), None)
        if long is None and (expected.existing is None or expected.item_names):
            long = schema.described(layout.kind, names if expected.existing is None else layout.added)
        # Only the column that describes an item has long texts.
        self._most = {name: None if layout.kind in EVENTS or name == long else TEXT_LENGTH for name in names}
        self._rules = RowRules(layout) if layout.returns or layout.skips or layout.fill else None
        if layout.hashed and expected.hashed is None:
            raise ValueError("the setting hash needs a function that hashes")

    def take(self, rows: Rows) -> tuple[pl.Series, list[bytes | memoryview]]:
        """Check some rows; return the lines of the good ones, and the rows in the form of the import."""
        partial, changes = self._partial, self._profile.changes
        given, skipped, down = rows.frame, None, frozenset[int]()
        if self._rules is not None:
            given, skipped = self._rules.keep(self._rules.filled(given, changes), changes)
            down = self._rules.down
        given = self._hidden(given)
        partial.rejects.take(rows, given)
        changed = changes.total()
        breaks = rows.breaks or self._broken_default or bool(down)
        by_name, judged = self._checked(given, changes, breaks=breaks)
        codes = cell_rules.codes([*by_name.values(), *judged])
        for name, verdict in by_name.items():
            if verdict.cut and name in self._profile.types:
                self._profile.types[name].cut = True
        frame = pl.DataFrame([verdict.values.alias(name) for name, verdict in by_name.items()])
        seconds = by_name["TIMESTAMP"].seconds if "TIMESTAMP" in by_name else None
        lines, left_out, sold = given[LINE], rows.left_out, given
        if skipped is not None:
            left_out = pl.concat([left_out, skipped]).sort()
        if codes is not None:
            good = codes == 0
            unimported = Counter[tuple[str, str]]()
            self._checked(given.filter(~good), unimported, breaks=breaks)
            changes.subtract(unimported)
            left_out = pl.concat([left_out, partial.rejects.refuse(rows, given, codes)]).sort()
            frame, seconds = frame.filter(good), seconds.filter(good) if seconds is not None else None
            lines, sold = lines.filter(good), given.filter(good) if self._layout.fates else given
        if self._layout.fates:
            self._take_fates(sold.filter(frame["EVENT_TYPE"] != RETURN))
        if self._layout.choice is not None:
            self._take_choices(frame["USER_ID"], given if codes is None else given.filter(codes == 0))
        self._profile.take(frame)
        partial.counting.take(frame, seconds)
        if partial.lines is not None:
            partial.lines.take(frame)
        self._warn(frame, rows)
        parts: list[bytes | memoryview]
        copied = self._same and not self._joins and not self._layout.hashed
        if rows.plain and copied and not down and changed == changes.total():
            parts = rows.without(left_out)
        else:
            odd = rows.suspects
            # What comes from another row or from the settings may need quotes wherever it goes.
            filled = {slot.name for slot in self._slots if slot.default is not None or slot.source in down}
            suspects = [
                name for name in frame.columns if odd is None or name in filled or self._sources.get(name) in odd
            ]
            parts = [render(frame, suspects)] if frame.height else []
        partial.size += sum(map(len, parts))
        return lines, parts

    def _hidden(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with hashes in place of what the settings hash: whatever follows sees nothing else.

        Words for a missing value stay, since a warning counts them.
        """
        hashed = self._expected.hashed
        if not self._layout.hashed or hashed is None:
            return frame
        whole = {slot.source for slot in self._slots if slot.whole}
        columns = []
        for index in self._layout.hashed:
            cells = frame[source(index)]
            if index in whole:
                cells = cells.str.replace(_POINTED, "${1}")
            different = cells.unique()
            hashes = [cell if cell.strip() and cell in PLACEHOLDERS else hashed(cell) for cell in different]
            columns.append(cells.replace_strict(different, hashes, return_dtype=pl.String))
        return frame.with_columns(columns)

    def _take_fates(self, sold: pl.DataFrame) -> None:
        """Count the rows that train as sold by what became of their orders."""
        for name, index, column in self._layout.fates:
            cells = sold[source(index)].str.slice(0, _LONGEST_STATUS)
            self._profile.take_statuses(name, count_statuses(column, cells))

    def _take_choices(self, users: pl.Series, given: pl.DataFrame) -> None:
        """Note what the users of good rows say about personal lists."""
        slot = self._layout.choice
        if slot is None or slot.source is None:
            return
        yes = cell_rules.says_yes(given[source(slot.source)])
        wanted = ~yes if slot.name == choices.OBJECTS else yes
        frame = pl.DataFrame([users.alias("user"), wanted.alias("wanted")]).drop_nulls()
        if frame.height:
            self._partial.choices.append(frame)

    def _checked(
        self, frame: pl.DataFrame, changes: Counter[tuple[str, str]], *, breaks: bool
    ) -> tuple[dict[str, cell_rules.Verdict], list[cell_rules.Verdict]]:
        """Check the columns of the import, and those beside them that tell returns; count how cells are changed."""
        verdicts = {}
        returned, judged = self._rules.returned(frame, changes) if self._rules else (None, [])
        for slot in self._slots:
            values, broken = self._values(slot, frame, changes)
            if slot.name == "EVENT_TYPE" and returned is not None and returned.any():
                values = values.set(returned, RETURN)
            most = self._most[slot.name]
            verdict = cell_rules.check(slot.column, values, self._expected.now, breaks=breaks, most=most).also(broken)
            changes["converted", slot.name] += verdict.converted
            changes["joined", slot.name] += verdict.joined
            changes["cut", slot.name] += verdict.cut
            changes["worded", slot.name] += verdict.worded
            verdicts[slot.name] = verdict
        if self._layout.choice is not None and self._layout.choice.source is not None:
            judged = [*judged, cell_rules.choice(frame[source(self._layout.choice.source)])]
        return verdicts, judged

    def _warn(self, frame: pl.DataFrame, rows: Rows) -> None:
        """Note columns with ids that Personalize advises against.

        Of a long history, check only the first rows and those near quotes, since all of them would cost too much.
        """
        first, self._first = self._first, False
        if first or self._layout.kind != "interactions" or rows.suspects is None or rows.suspects:
            names = cell_rules.IDS.intersection(frame.columns) - self._profile.strange
            self._profile.strange.update(name for name in names if frame[name].str.contains(_DISCOURAGED).any())
            pointed = cell_rules.IDS.intersection(frame.columns) - self._profile.pointed
            self._profile.pointed.update(name for name in pointed if frame[name].str.contains(_POINTED).any())

    def _values(
        self, slot: Slot, frame: pl.DataFrame, changes: Counter[tuple[str, str]]
    ) -> tuple[pl.Series, pl.Series | None]:
        """Return the cells of a column, and the rules that they break already."""
        broken = None
        if slot.source is None:
            values = pl.repeat(slot.default or "", frame.height, dtype=pl.String, eager=True)
        else:
            values = cells = frame[self._sources[slot.name]]
            if slot.clock is not None:
                values = cells = with_time_of_day(cells, frame[source(slot.clock)])
            if slot.whole:
                values = cells = cells.str.replace(_POINTED, "${1}")
                changes["whole", slot.name] += int((values != frame[self._sources[slot.name]]).sum())
            if slot.form is not None:
                converted = convert(slot.column, cells, slot.form)
                values, broken = converted.values, converted.broken
                kind = "converted" if slot.column and slot.column.name.endswith("TIMESTAMP") else "numbers"
                changes[kind, slot.name] += converted.changed
            if slot.name == "EVENT_TYPE" and (names := self._layout.event_types):
                values = cells.replace(list(names), list(names.values()))
                changes["renamed", slot.name] += int((values != cells).sum())
            if slot.default is not None:
                empty = cells.str.len_bytes() == 0
                changes["filled", slot.name] += int(empty.sum())
                values = values if not empty.any() else values.set(empty, slot.default)
        return values, broken


def _change(kind: str, text: str, *, count: int, name: str, zone: str) -> Text:
    values = {"count": count, "name": name, "most": TEXT_LENGTH, "zone": zone}
    return Text(f"note.{kind}", text, **{key: value for key, value in values.items() if f"{{{key}" in text})


def _notes(layout: Layout, profile: Profile) -> list[Text]:
    changes = profile.changes
    zones = {slot.name: slot.form.timezone for slot in layout.slots if slot.form is not None}
    notes = [
        _change(kind, text, count=count, name=name, zone=zones.get(name, "UTC"))
        for kind, text in _CHANGES.items()
        for (changed, name), count in sorted(changes.items())
        if changed == kind and count
    ]
    skips = {rule.name for rule in layout.skips}
    notes += [
        Text(
            "note.skip-unused",
            "no row was left out by {name}, though the setting skip names some of its values",
            name=name,
        )
        for name in sorted(skips)
        if not any(kind == "skipped" and told.startswith(f"{name} is ") for kind, told in changes)
    ]
    returned = {told: rows for (kind, told), rows in changes.items() if kind == "returned" and rows}
    notes += [
        Text(
            "note.returned",
            "{rows:,} {rows:row|rows} became events of the type {type}, as the setting returns says: {told}",
            rows=rows,
            type=RETURN,
            told=told,
        )
        for told, rows in sorted(returned.items())
    ]
    words = {rule.name for rule in layout.returns if rule.words is not None}
    notes += [
        Text(
            "note.returns-unused",
            "no row became a return by {name}, though the setting returns names some of its values",
            name=name,
        )
        for name in sorted(words)
        if not any(told.startswith(f"{name} is ") for told in returned)
    ]
    return (
        notes
        + [
            Text(
                "note.strange-ids",
                "{name} has ids with quotes, spaces or special characters: Personalize advises against them",
                name=name,
            )
            for name in sorted(profile.strange)
        ]
        + [
            Text(
                "note.pointed-ids",
                "{name} has numbers with .0 behind them, as programs write ids that they took for numbers: they match "
                "no such id without it in another file, unless the setting ids (whole) takes it away",
                name=name,
            )
            for name in sorted(profile.pointed)
        ]
    )
