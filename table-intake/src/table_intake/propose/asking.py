# SPDX-License-Identifier: Apache-2.0
"""The questions that the files of an export leave open: what only their shop can say."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from table_intake.columns import statuses, usual_names
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import plain
from table_intake.kinds import DataKind
from table_intake.propose import personal, values
from table_intake.propose.proposal import Proposal
from table_intake.propose.questions import Document, Question
from table_intake.propose.roles import Column, Roles
from table_intake.propose.samples import Sample
from table_intake.settings.tables import TableSettings
from table_intake.wording import SHOWN, Text

_ZONES = {
    "[\uac00-\ud7a3]": ("Asia/Seoul", Text("language.korean", "Korean")),
    "[\u3041-\u30ff]": ("Asia/Tokyo", Text("language.japanese", "Japanese")),
}
"""The likely time zone where names of columns have such letters, and their language."""
_OFFERED = ("UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York")


def ask_dates(kind: DataKind, proposal: Proposal, sample: Sample, *, of_newest: bool = False) -> list[Question]:
    """Ask for the form of dates, if several fit.

    Args:
        kind: of data.
        proposal: how its table is read.
        sample: of the table.
        of_newest: whether the same dates tell which of several rows of an item is newest.
    """
    mapping = {canonical(heading): ours for heading, ours in proposal.columns.items()}
    target, questions = "TIMESTAMP" if kind == "interactions" else "CREATION_TIMESTAMP", list[Question]()
    for index, heading in enumerate(sample.header):
        is_target = mapping.get(canonical(heading), canonical(heading)) == target
        if not is_target or "dates" in proposal.section:
            continue
        forms = sample.times(index).dates
        example = values.ambiguous(sample.column(index), forms)
        if not example:
            continue
        questions.append(
            Question(
                id=f"{kind}.dates",
                text=Text("ask.dates", "How are the dates in {column} written?", column=heading),
                choices={
                    form: Text("ask.dates.day", "{example} is {day}", example=example, day=values.day(example, form))
                    for form in forms
                },
                default=None,
                evidence=Text(
                    "ask.dates.because",
                    "all values of {column} that were looked at can be read in {ways} ways",
                    column=heading,
                    ways=len(forms),
                ),
                settings={form: _dates(kind, form, of_newest=of_newest) for form in forms},
            )
        )
    return questions


def _dates(kind: DataKind, form: str, *, of_newest: bool) -> Document:
    """Return where the form of dates of a kind stands in the settings."""
    return {kind: {"dates": form}, **({"export": {"items": {"dates": form}}} if of_newest else {})}


def ask_zone(roles: Roles, time: Column, proposal: Proposal) -> list[Question]:
    """Ask for the time zone, unless the times, the name of their column or the settings tell it."""
    cells, section = roles.cells(time), roles.settings.section("interactions")
    form = roles.times(time)
    is_set = (section and "timezone" in section.model_fields_set) or "timezone" in proposal.section
    is_named_utc = re.search(r"\b(UTC|GMT)\b", roles.heading(time)) is not None
    if is_set or is_named_utc or (form.zoned and "time_of_day" not in proposal.section):
        return []
    headings = " ".join(heading for sample in roles.tables.values() for heading in sample.header)
    zone, language = next((likely for marks, likely in _ZONES.items() if re.search(marks, headings)), ("UTC", None))
    example = next((cell for cell in cells if cell.strip()), "")
    evidence = Text("ask.zone.because", "a time like {example} names none", example=example)
    if language:
        evidence = Text(
            "ask.zone.because-language",
            "a time like {example} names none, and the columns have {language} names",
            example=example,
            language=language,
        )
    offered = dict.fromkeys((zone, *_OFFERED))
    question = Question(
        id="interactions.timezone",
        text=Text("ask.zone", "In which time zone are the times in {column}?", column=roles.heading(time)),
        choices={name: Text("ask.zone.of", "the times are those of {zone}", zone=name) for name in offered},
        default=zone,
        evidence=evidence,
        settings={name: {} if name == "UTC" else {"interactions": {"timezone": name}} for name in offered},
        any_zone=True,
    )
    return [question]


def ask_statuses(settings: TableSettings, sample: Sample) -> list[Question]:
    """Ask about words for what became of orders that no list decides."""
    section, questions = settings.section("interactions"), list[Question]()
    named = set(map(canonical, section.named() if section else ()))
    for index, rows in sample.counts.items():
        heading = sample.header[index]
        column = statuses.column(heading) or statuses.Column()
        undecided = statuses.sorted_out(column, rows).undecided
        words = {word: count for word, count in undecided.items() if word}
        if not words or canonical(heading) in named:
            continue
        questions.append(
            Question(
                id=f"status.{heading}",
                text=Text(
                    "ask.status",
                    "Were orders sold whose {column} is {words}?",
                    column=heading,
                    words=Text.some_of(list(words)),
                ),
                choices={
                    "sold": Text("ask.status.sold", "they count as purchases"),
                    "not": Text("ask.status.not", "their rows are left out"),
                    "returned": Text("ask.status.returned", "they came back, so they are returns"),
                },
                default="sold",
                evidence=statuses.listed(words),
                settings={
                    "not": {"interactions": {"skip": {heading: [*words]}}},
                    "returned": {"interactions": {"returns": [{"column": heading, "values": [*words]}]}},
                },
            )
        )
    return questions


def ask_ids(roles: Roles, user: Column, headings: Sequence[str]) -> list[Question]:
    """Ask what stands for ids that are personal data, where there are no others; the setting `hash` says it already.

    Args:
        roles: of the tables.
        user: the column of sales that names users.
        headings: of the columns with these ids in all files.
    """
    what = personal.kind_of(roles.cells(user))
    if not what or roles.settings.hash:
        return []
    names = {"column": roles.heading(user), "table": user[0], "what": what}
    question = Question(
        id="personal",
        text=Text("ask.personal", "The only ids of users are {what} ({column}). What shall stand for them?", **names),
        choices={
            "hash": Text(
                "ask.personal.hash",
                "a keyed hash of each, in files, reports and models; the shop's programs go on to use {what}",
                **names,
            ),
            "keep": Text("ask.personal.keep", "the {what} themselves, which then stand in files and reports", **names),
            "leave_out": Text("ask.personal.leave-out", "these users are left out, so nothing is imported"),
        },
        ends={
            "leave_out": Text(
                "ask.personal.end",
                "without {column}, {table} names no users: export it with a customer number, and start again",
                **names,
            )
        },
        default="hash",
        settings={"hash": {"hash": [*headings]}},
        evidence=Text(
            "ask.personal.because", "no other column of {table} names users in at least half of its rows", **names
        ),
    )
    return [question]


def currency(roles: Roles, tables: tuple[str, ...]) -> tuple[str | None, list[Question]]:
    """Return the currency of sales, and a question which one counts, if there are several."""
    for table in tables:
        sample = roles.tables[table]
        for index, heading in enumerate(sample.header):
            if plain(heading) not in usual_names.CURRENCY:
                continue
            counts = Counter(cell.strip() for cell in sample.column(index) if cell.strip())
            if len(counts) > 1:
                return None, [_ask_currency(heading, counts)]
            if counts:
                return next(iter(counts)), []
    return None, []


def _ask_currency(heading: str, counts: Mapping[str, int]) -> Question:
    most = dict(Counter(counts).most_common(SHOWN))
    choices = {
        name: Text("ask.currency.only", "only sales in {name} count; the others are left out", name=name)
        for name in most
    }
    every = Text("ask.currency.all", "all of them; prices of items stay as they are, in several currencies")
    return Question(
        id="currency",
        text=Text("ask.currency", "The sales are in {count:,} currencies. Which count?", count=len(counts)),
        choices={**choices, "all": every},
        default="all",
        evidence=Text.joined(
            ", ",
            (
                Text("ask.currency.rows", "{rows:,} {rows:row|rows} of those looked at in {name}", rows=rows, name=name)
                for name, rows in most.items()
            ),
        ),
        settings={
            name: {"interactions": {"skip": {heading: [other for other in counts if other != name]}}} for name in most
        },
    )
