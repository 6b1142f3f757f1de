# SPDX-License-Identifier: Apache-2.0
"""What a look at all rows of a drop found, and whether the drop can be imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from personalization.shop import schema
from personalization.shop.event_copies import Group
from personalization.shop.keys import DataKind, Mode
from personalization.shop.schema import Schema
from personalization.shop.settings import ShopSettings


@dataclass(frozen=True, slots=True)
class Checked:
    """A drop that was accepted."""

    schema: Schema
    rows: int
    notes: tuple[str, ...]
    changed: bool = False
    """Whether the dataset is to get this schema in place of the one that it has."""
    report: str = ""
    """The key of the report as a page."""
    rejects: int = 0
    """Rows that were left out."""
    events: Mapping[str, int] | None = None
    """How many interactions there are of each event type, where the drop is the shop's whole history of them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a drop is held against."""

    resource: str
    """What the messages name: the key."""
    kind: DataKind
    mode: Mode
    settings: ShopSettings
    existing: Schema | None = None
    """The schema of the dataset, if it is there already."""
    now: int = 2**33
    """Seconds since 1970: no interaction is of much later."""
    group: Group | None = None
    """The dataset group, if it is there already: what was streamed to it must not be imported as well."""


EXAMPLES = 5
"""Rows that are named for each reason."""
MINIMUM_INTERACTIONS = 1_000
MINIMUM_USERS = 25
"""Users who must have two interactions or more; and they must be one in a hundred of all users."""
RECOMMENDED_INTERACTIONS = 50_000
RECOMMENDED_USERS = 1_000
MOST_TYPES_AND_COLUMNS = 10
"""Event types and the shop's own interaction columns, together."""
MOST_TYPES = 1_000
"""Event types that are counted apart."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row that was refused."""

    line: int
    told: str
    """Why, without a person's id."""
    value: str = ""
    """The cell, shortened, where it says more than the reason does."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that rows broke."""

    rule: str
    rows: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers of a column."""

    minimum: float
    median: float
    maximum: float
    below_zero: int
    """Rows with a number below zero."""
    exact: bool = True
    """Whether the median is exact; else it is so in its first three digits."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A column, and how much of it is there."""

    column: schema.Column
    cells: int
    """Cells that are not empty."""
    distinct: int | None = None
    """Values that differ, where they are counted and few enough."""
    range: Range | None = None
    """Its numbers, of a column of numbers; no times."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How rows are spread over the ids of a column."""

    ids: int = 0
    rows: int = 0
    by_count: Mapping[int, int] = field(default_factory=dict)
    """Ids by the number of their rows."""
    top: tuple[tuple[str, int], ...] = ()
    """The ids with most rows, where they may be named."""
    unknown_rows: int | None = None
    """Rows whose id the other dataset does not have; None where that is not known."""
    unknown_ids: int | None = None

    def at_least(self, rows: int) -> int:
        """Ids that have so many rows or more."""
        return sum(ids for count, ids in self.by_count.items() if count >= rows)

    def share_of_top(self, share: float) -> float:
        """The share of all rows that the busiest share of ids has."""
        left, taken = max(1, round(self.ids * share)), 0
        for count in sorted(self.by_count, reverse=True):
            ids = min(left, self.by_count[count])
            taken, left = taken + ids * count, left - ids
            if not left:
                break
        return taken / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is told of a drop."""

    rows: int
    """Rows of the file, blank lines apart."""
    accepted: int
    reasons: tuple[Reason, ...]
    duplicates: int
    """Interactions that are exactly like an earlier one; or users or items whose id came before."""
    columns: tuple[Filled, ...]
    size: int
    """Bytes of the import copy."""
    stopped: int = 0
    """The last line that was looked at, where the look ended early; 0 where it went to the end of the file."""
    notes: tuple[str, ...] = ()
    first: int | None = None
    """Seconds of the earliest interaction."""
    last: int | None = None
    per_day: Mapping[int, int] = field(default_factory=dict)
    """Interactions by day, as days since 1970."""
    event_types: Mapping[str, int] = field(default_factory=dict)
    users: Spread | None = None
    items: Spread | None = None
    standing_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows whose id is a word for no value, such as NULL, by column and word."""

    @property
    def rejected(self) -> int:
        """Rows that were refused."""
        return self.rows - self.accepted


def warnings(expected: Expected, found: Findings) -> tuple[str, ...]:
    """What is imported as it came, and is probably not meant."""
    chosen = expected.settings.returns
    below = [
        f"{each.column.name} is below 0 in {each.range.below_zero:,} rows "
        f"({each.range.below_zero / found.accepted:.2%}), which are imported like all others: if they are returns, "
        f"say so in the settings with returns: {{column: {each.column.name}, below: 0}}"
        for each in found.columns
        if expected.kind == "interactions" and chosen is None and each.range and each.range.below_zero
    ]
    return (*below, *_placeholder_warnings(found))


def _placeholder_warnings(found: Findings) -> tuple[str, ...]:
    return tuple(
        f"{column} is {_word(word)} in {rows:,} rows ({rows / found.accepted:.2%}), which count as one "
        f"{'user' if column == 'USER_ID' else 'item'}: leave such rows out, or give each "
        f"{'unknown user an id of their own' if column == 'USER_ID' else 'item its id'}"
        for column, words in found.standing_in.items()
        for word, rows in sorted(words.items(), key=lambda each: (-each[1], each[0]))
    )


def _word(word: str) -> str:
    return word if word.strip() else "a space"


def problems(expected: Expected, found: Findings) -> list[str]:
    """Why a drop cannot be imported; nothing where it can."""
    if not found.rows:
        return ["the file has a header and no rows"]
    if above_limit(expected, found):
        return [too_many_rejects(found, expected.settings.rejects.limit)]
    if expected.kind == "interactions":
        return _too_little(expected, found) + _many_types(expected, found)
    return []


def above_limit(expected: Expected, found: Findings) -> bool:
    """Whether more rows are bad than the shop allows."""
    return found.rejected > expected.settings.rejects.limit * found.rows


def too_many_rejects(found: Findings, limit: float) -> str:
    """Why a drop with many bad rows is refused: how many, and the first row of each of the main reasons."""
    share = found.rejected / found.rows
    reasons = [
        f"{reason.rows:,} because {_clause(reason.examples[0].told)} (first: line {reason.examples[0].line})"
        for reason in found.reasons[:3]
    ]
    others = len(found.reasons) - 3
    more = f"; {others} more reason{'s' * (others > 1)}" if others > 0 else ""
    rows = f"the first {found.rows:,}" if found.stopped else f"{found.rows:,}"
    stopped = f"; the check stopped at line {found.stopped:,}" if found.stopped else ""
    return (
        f"{found.rejected:,} of {rows} rows are bad ({share:.2%}; the shop's limit is {limit:.2%}): "
        f"{'; '.join(reasons)}{more}{stopped}"
    )


def _clause(told: str) -> str:
    return told if told[:1].isupper() else f"the row {told}"


def _too_little(expected: Expected, found: Findings) -> list[str]:
    # Of an incremental drop the machine holds what is too little, until more has come; and it adds to a history that
    # has been held against the users that it must have.
    if expected.mode == "INCREMENTAL" or found.users is None:
        return []
    told, different = [], found.accepted - found.duplicates
    if different < MINIMUM_INTERACTIONS:
        told.append(f"Personalize needs {MINIMUM_INTERACTIONS:,} different interactions; here are {different:,}")
    users, again = found.users.ids, found.users.at_least(2)
    if again < MINIMUM_USERS or 100 * again < users:
        told.append(
            f"of {users:,} users only {again:,} have two interactions or more; Personalize needs 25, and 1 % of all"
        )
    return told


def _many_types(expected: Expected, found: Findings) -> list[str]:
    types = len(found.event_types)
    names = [filled.column.name for filled in found.columns]
    own = schema.metadata("interactions", expected.settings.personalize_domain, names)
    if types > MOST_TYPES_AND_COLUMNS:
        return [f"there are {_at_least(types)} event types; Personalize takes {MOST_TYPES_AND_COLUMNS}"]
    if types + len(own) > MOST_TYPES_AND_COLUMNS:
        return [f"event types ({types}) and columns of your own ({len(own)}) can be ten together"]
    return []


def _at_least(types: int) -> str:
    return f"more than {MOST_TYPES:,}" if types > MOST_TYPES else str(types)
