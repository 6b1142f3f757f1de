# SPDX-License-Identifier: Apache-2.0
"""The results of checking all rows of a drop, and whether it can be imported."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from table_intake.columns import schema, statuses
from table_intake.columns.schema import Schema
from table_intake.kinds import DataKind, Mode
from table_intake.origins import LONE, Origins
from table_intake.settings.tables import TableSettings
from table_intake.streamed import Group
from table_intake.wording import Text


@dataclass(frozen=True, slots=True)
class Expected:
    """The requirements of a drop."""

    resource: str
    """The name in messages: the key."""
    kind: DataKind
    mode: Mode
    settings: TableSettings
    existing: Schema | None = None
    """The schema of the dataset, if it exists."""
    now: int = 2**33
    """Unix time: no interaction may be much later."""
    group: Group | None = None
    """The dataset group, if it exists: events streamed to it must not be imported again."""
    known_ids: Mapping[DataKind, bytes | None] = field(default_factory=dict)
    """The ids of the other datasets, or of this one's earlier drops; see `counts.hash_ids`."""
    known_by: Mapping[DataKind, Sequence[str]] = field(default_factory=dict)
    """The runs that may have left these ids, the best first; see `known_ids`."""
    item_names: Sequence[str] = ()
    """What names an item, in plain letters, the best first, if names and descriptions of items are to be compared."""
    hashed: Callable[[str], str] | None = None
    """Returns the keyed hash of a value; needed with the setting `hash`. The key itself is in no file of a check."""


EXAMPLES = 5
"""Example rows for each reason."""
MINIMUM_INTERACTIONS = 1_000
MINIMUM_USERS = 25
"""Users with at least two interactions; they must also be one in a hundred of all users."""
RECOMMENDED_INTERACTIONS = 50_000
RECOMMENDED_USERS = 1_000
MOST_ACTIONS = 1_000
"""Actions of a shop."""
MOST_TYPES_AND_COLUMNS = 10
"""Event types and the shop's own interaction columns, together."""
MOST_TYPES = 1_000
"""Event types that are counted separately, at most."""


@dataclass(frozen=True, slots=True)
class Example:
    """A refused row."""

    line: int
    told: str
    """The reason, without personal ids."""
    value: str = ""
    """The cell, shortened, where it adds to the reason."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A broken rule."""

    rule: str
    rows: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The distribution of a column of numbers."""

    minimum: float
    median: float
    maximum: float
    below_zero: int
    """Rows with a negative number."""
    exact: bool = True
    """Whether the median is exact, or only in its first three digits."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A column and its fill rate."""

    column: schema.Column
    cells: int
    """Cells that are not empty."""
    distinct: int | None = None
    """Distinct values, where they are counted and few enough."""
    range: Range | None = None
    """Its numbers, if it has numbers other than times."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of rows over the ids of a column."""

    ids: int = 0
    rows: int = 0
    by_count: Mapping[int, int] = field(default_factory=dict)
    """Ids by the number of their rows."""
    top: tuple[tuple[str, int], ...] = ()
    """The ids with most rows, where they may be named."""
    unknown_rows: int | None = None
    """Rows whose id is missing in the other dataset; None where unknown."""
    unknown_ids: int | None = None

    def at_least(self, rows: int) -> int:
        """Return the number of ids with at least so many rows."""
        return sum(ids for count, ids in self.by_count.items() if count >= rows)

    def share_of_top(self, share: float) -> float:
        """Return the share of all rows that belongs to the busiest share of ids."""
        left, taken = max(1, round(self.ids * share)), 0
        for count in sorted(self.by_count, reverse=True):
            ids = min(left, self.by_count[count])
            taken, left = taken + ids * count, left - ids
            if not left:
                break
        return taken / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """The results for a drop."""

    rows: int
    """Rows of the file except blank lines and those that the settings leave out."""
    accepted: int
    reasons: tuple[Reason, ...]
    duplicates: int
    """Interactions equal to an earlier one; or users or items with an earlier id."""
    columns: tuple[Filled, ...]
    size: int
    """Bytes of the import copy."""
    skipped: int = 0
    """Rows that the settings leave out; `rows` does not count them."""
    stopped: int = 0
    """The last checked line, where the check ended early; 0 where it reached the end of the file."""
    origins: Origins = LONE
    """Where lines come from."""
    notes: tuple[str, ...] = ()
    first: int | None = None
    """Unix time of the earliest interaction."""
    last: int | None = None
    per_day: Mapping[int, int] = field(default_factory=dict)
    """Interactions by day, as days since 1970."""
    event_types: Mapping[str, int] = field(default_factory=dict)
    users: Spread | None = None
    items: Spread | None = None
    fates: Mapping[str, tuple[statuses.Column, Mapping[str, int]]] = field(default_factory=dict)
    """Rows that count as sold, by the values of each column that tells what became of orders."""
    placeholders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows whose id is a placeholder such as NULL, by column and placeholder."""
    ids: int | None = None
    """Different ids of a drop of users or items."""
    new_ids: int | None = None
    """How many of these ids the dataset lacked before; None where unknown."""
    ids_after: int | None = None
    """How many ids the dataset has after the drop; None where unknown."""

    @property
    def rejected(self) -> int:
        return self.rows - self.accepted


def warnings(expected: Expected, findings: Findings) -> tuple[str, ...]:
    """Return warnings about rows that are imported but probably wrong."""
    chosen = expected.settings.recognised_returns
    below = [
        Text(
            "warning.below-zero",
            "{column} is below 0 in {rows:,} {rows:row|rows} ({share:.2%}), which are imported like all others: if "
            "they are returns, say so in the settings with returns: {{column: {column}, below: 0}}",
            column=profiled.column.name,
            rows=profiled.range.below_zero,
            share=profiled.range.below_zero / findings.accepted,
        )
        for profiled in findings.columns
        if expected.kind == "interactions" and not chosen and profiled.range and profiled.range.below_zero
    ]
    placeholders = [
        _placeholder(column, word, rows, findings.accepted)
        for column, words in findings.placeholders.items()
        for word, rows in sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    texts = [_without_texts(expected, findings)] if expected.item_names else []
    told = [warning for name, given in findings.fates.items() for warning in _of_fates(name, *given)]
    return (*below, *told, *placeholders, *filter(None, texts))


def _without_texts(expected: Expected, findings: Findings) -> Text | None:
    """Return a warning about items without a description, which are compared by their names alone."""
    described = next((filled for filled in findings.columns if filled.column.textual), None)
    empty = findings.accepted - described.cells if described else 0
    if expected.kind != "items" or described is None or not empty:
        return None
    text = (
        "{items:,} {items:item has|items have} no {column}: semantic-similarity knows {items:its name|their names} "
        "alone, and of an item without a name nothing"
    )
    return Text("warning.no-description", text, items=empty, column=described.column.name)


def _placeholder(column: str, word: str, rows: int, accepted: int) -> Text:
    lead = "{column} is {word} in {rows:,} {rows:row|rows} ({share:.2%}), which {rows:counts|count} as one "
    if column == "USER_ID":
        code, rest = "user", "user: leave such rows out, or give each unknown user an id of their own"
    else:
        code, rest = "item", "item: leave such rows out, or give each item its id"
    shown = word if word.strip() else Text("a-space", "a space")
    share = rows / accepted
    return Text(f"warning.placeholder-{code}", lead + rest, column=column, word=shown, rows=rows, share=share)


def _of_fates(name: str, column: statuses.Column, values: Mapping[str, int]) -> Iterator[Text]:
    """Yield warnings about rows that train as sold, though their status says otherwise or nobody knows it.

    They are imported all the same: a guess by words must not take a shop's data away.
    """
    if not values:
        return
    meanings = statuses.sorted_out(column, values)
    if meanings.cancelled:
        words = f"interactions: {{skip: {{{_in_quotes(name)}: {_in_quotes(meanings.cancelled)}}}}}"
        yield Text(
            "warning.cancelled",
            "{column} says of rows that they were never sold, yet they are imported as all others: {values}. To leave "
            "them out, add to the settings {settings}",
            column=name,
            values=statuses.listed(meanings.cancelled),
            settings=words,
        )
    if meanings.returned:
        words = f"{{column: {_in_quotes(name)}, values: {_in_quotes(meanings.returned)}}}"
        yield Text(
            "warning.returned",
            "{column} says of rows that they came back, yet they are imported as all others: {values}. To make them "
            "returns, add to the settings interactions: {{returns: {settings}}}",
            column=name,
            values=statuses.listed(meanings.returned),
            settings=words,
        )
    if meanings.undecided:
        yield Text(
            "warning.undecided",
            "only you can say whether these were sold, and they are imported as all others: {column} is {values}. If "
            "not, add the word to skip, or to the values of returns",
            column=name,
            values=statuses.listed(meanings.undecided),
        )


def _in_quotes(words: str | Iterable[str]) -> str:
    """Return a text, or a list of them, as a settings file may have it."""
    return json.dumps(words if isinstance(words, str) else [*words], ensure_ascii=False)


def problems(expected: Expected, findings: Findings) -> list[str]:
    """Return why a drop cannot be imported; nothing where it can."""
    if not findings.rows and findings.skipped:
        text = "nothing remains, since the setting skip leaves out {rows:,} {rows:row|rows}: correct it, or the file"
        return [Text("problem.all-skipped", text, rows=findings.skipped)]
    if not findings.rows:
        return [Text("problem.no-rows", "the file has a header and no rows")]
    if above_limit(expected, findings):
        return [too_many_rejects(findings, expected.settings.rejects.limit)]
    if expected.kind == "interactions":
        return _too_little(expected, findings) + _many_types(expected, findings)
    return _many_actions(findings) if expected.kind == "actions" else []


def _many_actions(findings: Findings) -> list[str]:
    """Return why a shop cannot have so many actions; an incremental file adds to those that it has."""
    if (findings.ids or 0) > MOST_ACTIONS:
        text = "the file has {actions:,} actions, and Personalize takes {most:,}: leave out those that nobody is shown"
        return [Text("problem.actions", text, actions=findings.ids, most=MOST_ACTIONS)]
    if (findings.ids_after or 0) > MOST_ACTIONS:
        text = (
            "with this file the shop would have {actions:,} actions, and Personalize takes {most:,}: drop a whole file "
            "without incremental/ before its name, which replaces all earlier ones, and leave out those that nobody is "
            "shown"
        )
        return [Text("problem.actions-after", text, actions=findings.ids_after, most=MOST_ACTIONS)]
    return []


def above_limit(expected: Expected, findings: Findings) -> bool:
    """Tell whether the share of bad rows exceeds the shop's limit."""
    return findings.rejected > expected.settings.rejects.limit * findings.rows


def too_many_rejects(findings: Findings, limit: float) -> Text:
    """Return the message for too many bad rows, with the first row of each main reason."""
    reasons = [
        Text(
            "bad-rows.because",
            "{rows:,} because {reason} (first: {line})",
            rows=reason.rows,
            reason=_clause(reason.examples[0].told),
            line=findings.origins.describe(reason.examples[0].line),
        )
        for reason in findings.reasons[:3]
    ]
    others = len(findings.reasons) - 3
    if others > 0:
        reasons.append(Text("bad-rows.more", "{reasons:,} more {reasons:reason|reasons}", reasons=others))
    if findings.stopped:
        line = findings.origins.describe(findings.stopped)
        reasons.append(Text("bad-rows.stopped", "the check stopped at {line}", line=line))
    figures = {
        "bad": findings.rejected,
        "rows": findings.rows,
        "share": findings.rejected / findings.rows,
        "limit": limit,
        "reasons": Text.joined("; ", reasons),
    }
    rest = "{rows:,} {rows:row|rows} {bad:is|are} bad ({share:.2%}; the shop's limit is {limit:.2%}): {reasons}"
    if findings.stopped:
        return Text("bad-rows.first", f"{{bad:,}} of the first {rest}", **figures)
    return Text("bad-rows", f"{{bad:,}} of {rest}", **figures)


def _clause(reason: str) -> str:
    """Return a reason as a clause; those about the whole row begin with their verb."""
    return reason if reason[:1].isupper() else Text("the-row", "the row {reason}", reason=reason)


def _too_little(expected: Expected, findings: Findings) -> list[str]:
    # The state machine holds incremental drops that are too small, and their history has passed this check before.
    if expected.mode == "INCREMENTAL" or findings.users is None:
        return []
    problems, distinct = list[str](), findings.accepted - findings.duplicates
    if distinct < MINIMUM_INTERACTIONS:
        text = "Personalize needs {needed:,} different interactions; the file has {have:,}"
        problems.append(Text("problem.few-interactions", text, needed=MINIMUM_INTERACTIONS, have=distinct))
    users, repeated = findings.users.ids, findings.users.at_least(2)
    if repeated < MINIMUM_USERS or 100 * repeated < users:
        text = (
            "of {users:,} {users:user|users} only {repeated:,} {repeated:has|have} two interactions or more; "
            "Personalize needs 25, and 1 % of all"
        )
        problems.append(Text("problem.few-users", text, users=users, repeated=repeated))
    return problems


def _many_types(expected: Expected, findings: Findings) -> list[str]:
    types = len(findings.event_types)
    names = [filled.column.name for filled in findings.columns]
    own_columns = schema.metadata("interactions", expected.settings.personalize_domain, names)
    if types > MOST_TYPES_AND_COLUMNS:
        if types > MOST_TYPES:
            text = "there are more than {types:,} event types; Personalize takes {most}"
            return [Text("problem.event-types-over", text, types=MOST_TYPES, most=MOST_TYPES_AND_COLUMNS)]
        text = "there are {types} event types; Personalize takes {most}"
        return [Text("problem.event-types", text, types=types, most=MOST_TYPES_AND_COLUMNS)]
    if types + len(own_columns) > MOST_TYPES_AND_COLUMNS:
        text = "event types ({types}) and columns of your own ({columns}) can be ten together"
        return [Text("problem.types-and-columns", text, types=types, columns=len(own_columns))]
    return []
