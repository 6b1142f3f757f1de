# SPDX-License-Identifier: Apache-2.0
"""From a drop's header to the columns of the import: which cell goes where, and defaults."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType

from table_intake import streamed
from table_intake.columns import choices, schema, statuses, usual_names
from table_intake.columns.schema import Column, Schema
from table_intake.columns.shown import shown, shown_all
from table_intake.errors import Refused
from table_intake.kinds import EVENTS, OF_ACTIONS, DataKind
from table_intake.settings.files import FileSettings
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_OTHER = re.compile(r"[\W_]+")
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,149}")
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,:/ -]*")
_SEPARATORS = {
    mark: Text(f"separator.{code}", word)
    for mark, code, word in ((";", "semicolon", "semicolons"), ("\t", "tab", "tabs"), ("|", "bar", "upright bars"))
}
_SHOWN = 12
"""Columns named in a message."""
_RECOGNISE = Text("use.returns", "recognise returns")
_LEAVE_OUT = Text("use.skip", "leave rows out")
_FILL = Text("use.fill", "fill empty cells")
_READ_TIMES = Text("use.time-of-day", "read times")
_PLAIN = FileSettings()
_MARKS: Mapping[DataKind, tuple[str, ...]] = {
    "interactions": ("USER_ID", "ITEM_ID", "TIMESTAMP"),
    "users": ("USER_ID",),
    "items": ("ITEM_ID",),
}
"""The columns that identify a kind."""
_IDS = frozenset({"USER_ID", "ITEM_ID", "ACTION_ID"})
_NEVER_HASHED = frozenset({"ITEM_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP", "CREATION_TIMESTAMP"})
_TIMES: Mapping[DataKind, str] = {
    "interactions": "TIMESTAMP",
    "users": "CREATION_TIMESTAMP",
    "items": "CREATION_TIMESTAMP",
    "actions": "CREATION_TIMESTAMP",
    "action-interactions": "TIMESTAMP",
}
"""The columns with the time of a row."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One column of the import."""

    name: str
    source: int | None
    """Index of the drop's column, or None where `default` fills every row."""
    default: str | None = None
    """The value of empty cells, or None where they stay empty."""
    column: Column | None = None
    """The column's definition, or None where the data decide."""
    form: FileSettings | None = None
    """The form of its numbers or times, where it is the shop's own."""
    clock: int | None = None
    """Index of the drop's column that has the time of day to its days."""
    whole: bool = False
    """Whether ids such as 17850.0 are whole numbers."""


@dataclass(frozen=True, slots=True)
class ReturnRule:
    """The condition that makes a row a return, by the drop's column `source`."""

    name: str
    source: int
    below: float
    """The number in the column is below this, where neither `of` nor `words` is given."""
    of: tuple[str, int] | None = None
    """The name and the index of another column: the number is above 0, and not below the one there."""
    words: "Words | None" = None
    """The cell is one of these."""
    form: FileSettings = _PLAIN
    """The form of its numbers."""

    def told(self) -> Text:
        """Return the condition on its number in words."""
        if self.of:
            return Text("not-below", "{name} not below {other}", name=self.name, other=self.of[0])
        return Text("below", "{name} below {number:g}", name=self.name, number=self.below)

    def numbers(self) -> tuple[tuple[str, int], ...]:
        """Return the names and the indices of the columns that must have numbers."""
        return () if self.words is not None else ((self.name, self.source), *([self.of] if self.of else ()))


@dataclass(frozen=True, slots=True)
class Words:
    """Values of a column, in any case, with or without spaces around them."""

    exact: tuple[str, ...]
    """The empty text stands for empty cells."""
    patterns: tuple[tuple[str, str], ...] = ()
    """Those with a `*`, which stands for any characters of a cell that is not empty, each as a regular expression."""

    @classmethod
    def of(cls, values: Iterable[str | float]) -> "Words":
        words = [str(value).strip().lower() for value in values]
        patterns = [(word, re.escape(word).replace(r"\*", ".*")) for word in words if "*" in word]
        return cls(
            tuple(word for word in words if "*" not in word), tuple((word, f"(?s)^{rule}$") for word, rule in patterns)
        )


@dataclass(frozen=True, slots=True)
class SkipRule:
    """The condition that leaves a row out: one of some values in the drop's column `source`."""

    name: str
    source: int
    words: Words


@dataclass(frozen=True, slots=True)
class FillRule:
    """Columns of the drop whose empty cells take the value above, within rows of one order."""

    columns: tuple[tuple[str, int], ...]
    """Their names and indices."""
    by: int
    """The index of the column that names the order."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of an import in order, and notes about them."""

    kind: DataKind
    slots: tuple[Slot, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Columns added to the dataset by a change of its schema."""
    returns: tuple[ReturnRule, ...] = ()
    skips: tuple[SkipRule, ...] = ()
    fill: FillRule | None = None
    event_types: Mapping[str, str] = field(default_factory=dict)
    """The event types of the drop that have other names in the import."""
    judged: tuple[Slot, ...] = ()
    """The columns that are checked beside those of the import, since the numbers in them tell returns."""
    fates: tuple[tuple[str, int, statuses.Column], ...] = ()
    """The columns, imported or not, whose names say that they tell what became of orders: how the drop writes them."""
    hashed: tuple[int, ...] = ()
    """Indices of the drop's columns, imported or not, whose values a keyed hash replaces."""
    choice: Slot | None = None
    """The column, never imported, that says who objects to personal lists: see `choices`."""

    @property
    def hashed_names(self) -> tuple[str, ...]:
        """The columns of the import that have hashes."""
        return tuple(slot.name for slot in self.slots if slot.source in self.hashed)

    @property
    def checked(self) -> tuple[Slot, ...]:
        """All columns whose cells are checked, in the order of the verdicts on them."""
        return (*self.slots, *self.judged, *([self.choice] if self.choice else []))

    def names(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self.slots)


def arrange(
    resource: str, kind: DataKind, header: Sequence[str], settings: TableSettings, existing: Schema | None
) -> Layout:
    """Decide the columns of an import.

    Args:
        resource: the name in messages.
        kind: of the drop.
        header: the drop's column names, in any case and order.
        settings: with a mapping of names, defaults and the domain.
        existing: the schema of the existing dataset; its columns and their types stay.

    Raises:
        Refused: a name that Personalize does not accept, a duplicate or missing column, or too many columns; columns
            of another kind of drop; or columns that differ from the dataset's and cannot be added.
    """
    domain = settings.personalize_domain
    for mark, word in _SEPARATORS.items():
        if len(header) == 1 and mark in header[0]:
            text = "the values are separated by {word}: save the file with commas between them"
            raise Refused(resource, Text("header.separator", text, word=word))
    columns: Mapping[str, Column] = schema.recognised(kind, domain)
    required = [column.name for column in schema.required(kind, domain)]
    files = settings.file_settings(kind)
    sources = _sources(resource, header, files, columns, choices.USUAL if kind == "users" else {})
    choice = _choice(resource, header, sources) if kind == "users" else None
    defaults = {name: str(value) for name, value in files.defaults.items()}
    if kind == "interactions":
        defaults.setdefault("EVENT_TYPE", settings.event_type)
    missing = [name for name in required if name not in sources and name not in defaults]
    other = _other_kind(kind, sources)
    if other and other != kind and not (kind == "interactions" and _may_be_interactions(header)):
        text = f"these look like {other} ({{marks}}): drop them under {other}/, not {{kind}}/"
        raise Refused(resource, Text(f"header.looks-like-{other}", text, marks=", ".join(_MARKS[other]), kind=kind))
    if missing:
        has = Text("header.has", "the file has {columns}", columns=_listed(header))
        has = _with_title(has, header)
        problems = (_missing(missing, settings), *_unmet(settings, kind, header, missing), has)
        raise Refused(resource, Text.joined("; ", problems))
    names = [*required, *(name for name in sources if name not in required)]
    finder = _Finder(resource, header, files)
    hashed = _hashed(resource, header, settings, sources=sources, mapping=_mapping(files), columns=columns)
    returns = _return_rules(finder, settings) if kind == "interactions" else ()
    skips, fill = _skip_rules(finder), _fill_rule(finder)
    dispensable = _dispensable(kind, domain, names, existing)
    told = (
        {rule.name for rule in returns}
        | {rule.name for rule in skips}
        | {name for name, _ in (fill.columns if fill else ())}
    )
    names = [name for name in names if name not in told or name not in dispensable]
    schema.check_limits(resource, kind, domain, names)
    added: tuple[str, ...] = ()
    if existing is not None:
        names, added = _columns_of(resource, kind, names, existing)
        columns = {**columns, **{column.name: _bound(column, columns) for column in existing.columns}}
        if required_new := [name for name in added if name in columns and not columns[name].nullable]:
            text = "the dataset cannot get {columns}: a new column may be empty"
            raise Refused(resource, Text("header.required-new", text, columns=", ".join(required_new)))
    # A copy of events is written here, in the form of the import.
    own_form = None if streamed.MARK in map(canonical, header) else files
    clock = finder.column("time_of_day", _READ_TIMES, files.time_of_day)[1] if files.time_of_day and own_form else None
    _check_hashed_alone(resource, header, hashed, {clock, choice.source if choice else None, *_read_by(returns)})
    texts = {name for name, column in schema.recognised(kind, domain).items() if not column.numeric}
    slots = tuple(
        Slot(
            name,
            sources.get(name),
            defaults.get(name),
            columns.get(name),
            own_form if name in sources and name not in texts and _has_form(name, columns, files) else None,
            clock=clock if name == _TIMES[kind] else None,
            whole=name in _IDS and own_form is not None and files.ids == "whole",
        )
        for name in names
    )
    notes = [*_notes(header, slots, added, choice), *_unmet(settings, kind, header)]
    if left_out := [
        heading
        for index, heading in enumerate(header)
        if index not in sources.values()
        and (choice is None or index != choice.source)
        and is_ignored(heading, files.ignore, None)
    ]:
        notes.append(Text("header.ignored", "left out, as the settings say: {columns}", columns=_listed(left_out)))
    notes += _hash_notes(header, settings, hashed) if kind not in {"items", "actions"} else []
    fates = _fates(header, sources.get("EVENT_TYPE")) if own_form and kind == "interactions" else ()
    types = settings.interactions.event_types if own_form and settings.interactions else {}
    return Layout(
        kind,
        slots,
        tuple(notes),
        added=added,
        returns=returns,
        skips=skips,
        fill=fill,
        event_types=types if kind == "interactions" else {},
        judged=_judged(returns),
        fates=tuple(fate for fate in fates if fate[1] not in hashed),
        hashed=tuple(sorted(hashed)),
        choice=choice,
    )


def _choice(resource: str, header: Sequence[str], sources: dict[str, int]) -> Slot | None:
    """Take the column that says who objects to personal lists out of those of the import, and return it.

    Raises:
        Refused: there are two, or nothing beside it and the id.
    """
    both = [(name, sources.pop(name)) for name in (choices.WANTS, choices.OBJECTS) if name in sources]
    if len(both) > 1:
        text = "{first} and {second} both say who objects to personal lists: let the settings ignore one of them"
        first, second = (shown(header[index]) for _, index in both)
        raise Refused(resource, Text("header.two-choices", text, first=first, second=second))
    if both and sources.keys() == {"USER_ID"}:
        text = (
            "users need at least one column beside USER_ID, and Personalize never gets {choice}, which says who "
            "objects to personal lists: add a column, such as the age or the city"
        )
        raise Refused(resource, Text("header.choice-alone", text, choice=shown(header[both[0][1]])))
    return Slot(*both[0]) if both else None


def _bound(column: Column, columns: Mapping[str, Column]) -> Column:
    """Return a column of the dataset with the values that Personalize takes, which no schema has."""
    usual = columns.get(column.name)
    return replace(column, words=usual.words, bounds=usual.bounds) if usual else column


def _hashed(
    resource: str,
    header: Sequence[str],
    settings: TableSettings,
    *,
    sources: Mapping[str, int],
    mapping: Mapping[str, str],
    columns: Mapping[str, Column],
) -> frozenset[int]:
    """Return the indices of the columns that are hashed; `sources` and `columns` are those of the import.

    Raises:
        Refused: one of them is no user's id and no text, or the user's id is not among them: ids of two kinds would
            not match.
    """
    if not settings.hash:
        return frozenset()
    wanted, imported = {canonical(name) for name in settings.hash}, {index: name for name, index in sources.items()}
    hashed = set[int]()
    for index, heading in enumerate(header):
        # Two files that are joined may both have the column; then it has the name of its file before it.
        names = {canonical(heading), canonical(heading.rpartition(".")[2]), imported.get(index)}
        if wanted & {*names, mapping.get(canonical(heading))}:
            hashed.add(index)
    user = sources.get("USER_ID")
    if user is not None and streamed.MARK in map(canonical, header):
        # The API has hashed these ids.
        hashed.add(user)
    for index in sorted(hashed):
        name = imported.get(index, "")
        if name in _NEVER_HASHED or (name in columns and columns[name].numeric):
            text = "hash names {column}, which is read as {name}: only ids of users and texts can be hashed"
            raise Refused(resource, Text("header.hash-kind", text, column=header[index], name=name))
    if user is not None and user not in hashed:
        text = (
            "hash names {names}, and the ids of users come from {column}: name it in hash as well, since ids of two "
            "kinds do not match, or leave hash out of the settings"
        )
        raise Refused(
            resource, Text("header.hash-user", text, names=Text.some_of(settings.hash, _SHOWN), column=header[user])
        )
    return frozenset(hashed)


def _read_by(rules: Iterable[ReturnRule]) -> Iterator[int]:
    """Yield the indices of the columns that tell returns."""
    for rule in rules:
        yield from (rule.source, rule.of[1]) if rule.of else (rule.source,)


def _check_hashed_alone(
    resource: str, header: Sequence[str], hashed: frozenset[int], read: Iterable[int | None]
) -> None:
    """Raise Refused if a hashed column is read for another end, too; rows that `skip` names are left out before."""
    if unread := sorted(index for index in read if index is not None and index in hashed):
        text = "hash names {column}, which the settings read for another end too: take it away from one of them"
        raise Refused(resource, Text("header.hash-read", text, column=header[unread[0]]))


def _hash_notes(header: Sequence[str], settings: TableSettings, hashed: Iterable[int]) -> list[Text]:
    """Return which columns are hashed, and which of the settings a file of users or interactions lacks."""
    if not settings.hash:
        return []
    there = {canonical(part) for heading in header for part in (heading, heading.rpartition(".")[2])}
    notes = [
        Text(
            "header.hashed",
            "hashed, as the settings say: {columns}",
            columns=_listed([header[index] for index in sorted(hashed)]),
        )
    ]
    return notes + [
        Text("header.hash-lacks", "the settings hash {column}, but the file has no such column", column=name)
        for name in settings.hash
        if canonical(name) not in {*there, "USER_ID"}
    ]


def _has_form(name: str, columns: Iterable[str], files: FileSettings) -> bool:
    """Tell whether the cells of a column come in a form of the shop's own."""
    time = name in columns and name.endswith("TIMESTAMP")
    return files.rewrites_times if time else files.rewrites_numbers


class _Finder:
    """Finds the columns of a file that its settings name to tell rows apart; none in copies of events, made here."""

    def __init__(self, resource: str, header: Sequence[str], files: FileSettings) -> None:
        self._resource = resource
        self._header = header
        self.files = files
        self.is_copy = streamed.MARK in map(canonical, header)

    def column(self, setting: str, use: Text, column: str) -> tuple[str, int]:
        """Return the name in the import, and the index, of a column under the shop's name or Personalize's.

        Raises:
            Refused: the file lacks it, so rows would be imported as what they are not.
        """
        mapping, wanted = _mapping(self.files), canonical(column)
        mapped = mapping.get(wanted, wanted).replace("_", "")
        for index, heading in enumerate(self._header):
            name = mapping.get(canonical(heading), canonical(heading))
            if name.replace("_", "") == mapped:
                return name, index
        text = (
            "the settings {use} by the column {column}, which the file lacks: it has {columns}. Add the column, or "
            "change {setting} in the settings"
        )
        values = {"use": use, "column": column, "columns": _listed(self._header), "setting": setting}
        raise Refused(self._resource, Text("header.lacks", text, **values))


def _return_rules(finder: _Finder, settings: TableSettings) -> tuple[ReturnRule, ...]:
    """Return the conditions that make a row a return."""
    rules = []
    for chosen in settings.recognised_returns if not finder.is_copy else ():
        name, index = finder.column("returns", _RECOGNISE, chosen.column)
        of = finder.column("returns", _RECOGNISE, chosen.of) if chosen.of is not None else None
        words = Words.of(chosen.values) if chosen.values else None
        rules.append(ReturnRule(name, index, chosen.below, of=of, words=words, form=finder.files))
    return tuple(rules)


def _fates(header: Sequence[str], but: int | None) -> tuple[tuple[str, int, statuses.Column], ...]:
    """Return the columns that tell what became of orders; the one of event types tells it already."""
    named = enumerate((heading, canonical(heading).replace("_", "").casefold()) for heading in header)
    recognised = statuses.COLUMNS
    return tuple(
        (heading, index, recognised[name]) for index, (heading, name) in named if name in recognised and index != but
    )


def _judged(rules: Sequence[ReturnRule]) -> tuple[Slot, ...]:
    """Return the columns whose numbers tell returns."""
    columns = {column: rule.form for rule in rules for column in rule.numbers()}
    return tuple(Slot(name, index, form=form) for (name, index), form in columns.items())


def _skip_rules(finder: _Finder) -> tuple[SkipRule, ...]:
    """Return the conditions that leave rows out."""
    return tuple(
        SkipRule(*finder.column("skip", _LEAVE_OUT, column), Words.of(values))
        for column, values in (finder.files.skip.items() if not finder.is_copy else ())
    )


def _fill_rule(finder: _Finder) -> FillRule | None:
    """Return which columns have a value in the first row of an order alone."""
    chosen = finder.files.fill_down
    if chosen is None or finder.is_copy:
        return None
    columns = [finder.column("fill_down", _FILL, column) for column in chosen.columns]
    return FillRule(tuple(columns), finder.column("fill_down", _FILL, chosen.by)[1])


def _dispensable(kind: DataKind, domain: schema.Domain, names: Sequence[str], existing: Schema | None) -> list[str]:
    """Return the shop's own columns that cannot be imported: the dataset lacks them, or they exceed the limit."""
    metadata = schema.metadata(kind, domain, names)
    if existing is not None:
        return [name for name in metadata if name not in existing.names()]
    return metadata if len(metadata) > schema.METADATA_LIMITS[kind] else []


def recognise(resource: str, header: Sequence[str], settings: TableSettings) -> DataKind:
    """Return the dataset of a file from its columns alone.

    Raises:
        Refused: the columns fit none, or more than one.
    """
    best = fitting(resource, header, settings)
    if len(best) != 1:
        kinds = [
            Text(f"header.{kind}-by", f"{kind} by {{columns}}", columns=", ".join(names))
            for kind, names in _MARKS.items()
        ]
        text = "the columns do not show which data these are ({kinds}): the file has {columns}"
        raise Refused(resource, Text("header.which", text, kinds=Text.joined("; ", kinds), columns=_listed(header)))
    return best[0]


def fitting(resource: str, header: Sequence[str], settings: TableSettings) -> list[DataKind]:
    """Return the datasets that the columns of a file fit best: several where sections give a name several meanings.

    Raises:
        Refused: no kind's section can be applied to the file.
    """
    counts: dict[DataKind, int] = {}
    refused: list[Refused] = []
    for kind in _MARKS:
        files = settings.file_settings(kind)
        try:
            sources = _sources(resource, header, files, schema.recognised(kind, settings.personalize_domain))
        except Refused as refusal:
            refused.append(refusal)
            continue
        if _other_kind("interactions", sources) == kind:
            names = set(map(canonical, header))
            counts[kind] = sum(name in names for name in _mapping(files))
    if len(refused) == len(_MARKS):
        raise refused[0]
    # The meaning of which the file has most names counts.
    return [kind for kind, names in counts.items() if names == max(counts.values())]


def _listed(header: Sequence[str]) -> str:
    return Text.some_of(shown_all(header), _SHOWN)


def _with_title(reason: Text, header: Sequence[str]) -> Text:
    """Return a reason with what a first row of few cells may be, and the way out."""
    if sum(bool(heading.strip()) for heading in header) > max(1, len(header) // 3):
        return reason
    text = "{reason}. If that is a title, let the settings say which row names the columns, such as header: 3"
    return Text("header.title", text, reason=reason)


def canonical(name: str) -> str:
    """Return a column's name in capitals, its words joined by single underscores."""
    return _OTHER.sub("_", name).strip("_").upper()


def _mapping(files: FileSettings) -> dict[str, str]:
    return {canonical(heading): ours for heading, ours in files.columns.items()}


def _sources(
    resource: str,
    header: Sequence[str],
    files: FileSettings,
    columns: Iterable[str],
    usual: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, int]:
    """Return the index of each column of a drop by its name in the import.

    Args:
        resource, header, files: as in `arrange`.
        columns: those that the kind has.
        usual: other names that are recognised, in capitals and without underscores.
    """
    mapping = _mapping(files)
    # Personalize treats names that differ only in underscores as equal; so does this, for known names.
    by_plain_name = {**usual, **{name.replace("_", ""): name for name in columns}}
    copy = streamed.MARK in map(canonical, header)
    sources: dict[str, int] = {}
    taken: dict[str, int] = {}
    for index, heading in enumerate(header):
        name = canonical(heading)
        meant = mapping.get(name) or by_plain_name.get(name.replace("_", ""))
        if (copy and name in streamed.BESIDE) or is_ignored(heading, files.ignore, meant):
            continue
        name = meant or name
        if not _NAME.fullmatch(name):
            rule = Text("header.names", "names are made of a-z, 0-9 and _; settings can map it to one, or ignore it")
            if _NUMBER.fullmatch(heading.strip()):
                rule = Text("header.first-row", "the first row must name the columns")
            text = "column {number} has the name {heading}: {rule}"
            reason = Text("header.name", text, number=index + 1, heading=repr(shown(heading)), rule=rule)
            raise Refused(resource, _with_title(reason, header))
        other = taken.setdefault(name.replace("_", ""), index)
        if other != index:
            text = (
                "columns {first} and {second} are the same column {name}: settings can ignore one of them, or map it "
                "to another name"
            )
            first, second = shown(header[other]), shown(heading)
            same = name if second == heading else second
            values = {"first": repr(first), "second": repr(second), "name": same}
            raise Refused(resource, Text("header.twice", text, **values))
        sources[name] = index
    return sources


def is_ignored(heading: str, patterns: Iterable[str], meant: str | None) -> bool:
    """Tell whether the settings leave a column out; `meant` is its name in Personalize, if it has one."""
    name = heading.strip().casefold()
    for pattern in patterns:
        if "*" not in pattern:
            if pattern.casefold() == name:
                return True
        elif meant is None and re.fullmatch(re.escape(pattern.casefold()).replace(r"\*", ".*"), name, re.DOTALL):
            return True
    return False


def _unmet(
    settings: TableSettings, kind: DataKind, header: Sequence[str], names: Iterable[str] | None = None
) -> list[str]:
    """Return which columns the settings of a kind name and a file lacks; only those of some names, if given."""
    section = settings.section(kind)
    there = {canonical(heading): heading for heading in header}
    problems = list[str]()
    for mapped, ours in section.columns.items() if section else ():
        if canonical(mapped) in there or (names is not None and ours not in names):
            continue
        near = get_close_matches(canonical(mapped), there, 1)
        text = "the settings read {mapped} as {name}, but the file has no such column"
        if near:
            text = f"{text} (did you mean {{near}}?)"
            problems.append(Text("header.unmet-near", text, mapped=mapped, name=ours, near=there[near[0]]))
        else:
            problems.append(Text("header.unmet", text, mapped=mapped, name=ours))
    return problems


def _missing(missing: list[str], settings: TableSettings) -> Text:
    text = "required columns are missing: {columns}; settings can map a column to a required name"
    columns = ", ".join(missing)
    if settings.domain == "ecommerce" and set(missing) & {"PRICE", "CATEGORY_L1"}:
        text = f"{text}, give it a default, or choose domain: custom before the shop is first dropped"
        return Text("header.missing-ecommerce", text, columns=columns)
    return Text("header.missing", f"{text} or give it a default", columns=columns)


def _columns_of(resource: str, kind: DataKind, names: list[str], existing: Schema) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns of the dataset, and those to add."""
    current = existing.names()
    missing = [name for name in current if name not in names]
    new = tuple(name for name in names if name not in current)
    if missing or (new and kind in EVENTS):
        changes = []
        if missing:
            changes.append(Text("header.without", "without {columns}", columns=", ".join(missing)))
        if new:
            changes.append(Text("header.with-new", "with new {columns}", columns=", ".join(new)))
        text = (
            "the columns differ from those of the dataset: {changes}; Personalize lets Users and Items datasets get "
            "more columns, and no dataset lose any"
        )
        code = "header.differ"
        if missing:
            code, text = "header.lost", f"{text}; keep the column, its cells may be empty"
        raise Refused(resource, Text(code, text, changes=Text.all_of(changes)))
    return [*current, *new], new


def _other_kind(kind: DataKind, sources: Mapping[str, int]) -> DataKind | None:
    """Return the kind that a header clearly belongs to, or None."""
    if kind in OF_ACTIONS:
        return None
    if set(_MARKS["interactions"]) <= set(sources):
        return "interactions"
    # A single id column without a time describes users or items.
    users, items = "USER_ID" in sources, "ITEM_ID" in sources
    if users == items or (kind == "interactions" and "TIMESTAMP" in sources):
        return None
    return "users" if users else "items"


def _may_be_interactions(header: Sequence[str]) -> bool:
    """Tell whether columns have names that other programs give to users, items and times."""
    plain_names, usual = {usual_names.plain(heading) for heading in header}, usual_names.TARGETS["interactions"]
    return all(plain_names & usual_names.ranks(usual[mark]).keys() for mark in _MARKS["interactions"])


def _notes(header: Sequence[str], slots: Sequence[Slot], added: Sequence[str], choice: Slot | None) -> list[str]:
    notes = list[str]()
    for slot in slots:
        if slot.source is None:
            text = "{name} is not in the drop: every row was given {value}"
            notes.append(Text("header.given", text, name=slot.name, value=slot.default))
        elif canonical(header[slot.source]) != slot.name:
            heading = header[slot.source]
            notes.append(Text("header.read-as", "{heading} was read as {name}", heading=heading, name=slot.name))
    if choice is not None:
        text = "{column} says who objects to personal lists ({name}): it is followed, and left out of the import"
        notes.append(Text("header.choice", text, column=header[choice.source or 0], name=choice.name))
    if added:
        text = "{columns}: new, so the dataset gets another schema"
        notes.append(Text("header.added", text, columns=", ".join(added)))
    beside = [name for name in map(canonical, header) if name in streamed.BESIDE]
    if streamed.MARK in beside:
        notes.append(Text("header.copy", "{columns}: left out of a copy of events", columns=", ".join(beside)))
    return notes
