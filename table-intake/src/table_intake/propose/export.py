# SPDX-License-Identifier: Apache-2.0
"""Propose how all files of an export belong together: what joins what, which settings read it, what is left open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from table_intake.columns import statuses, usual_names
from table_intake.columns.usual_names import forms
from table_intake.errors import Refused
from table_intake.propose import outcomes
from table_intake.propose.asking import ask_dates, ask_ids, ask_statuses, ask_zone, currency
from table_intake.propose.items import items
from table_intake.propose.questions import Document, ExportProposal, LeftOut, Question, merged
from table_intake.propose.relations import Relations, relate
from table_intake.propose.roles import FILES, Roles
from table_intake.propose.sales import Lacking, Sales, find_lacking, find_sales
from table_intake.propose.samples import Sample, in_one_language
from table_intake.propose.tables import different
from table_intake.propose.taken import Part, interactions, of_people, personal_columns, users
from table_intake.settings.exports import ExportSettings
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text

_OF_FILES = frozenset({"encoding", "separator", "sheet", "member", "header", "totals", "rows"})
"""Settings for a file as it came: what is joined has another form."""
_EXAMPLES = 60
"""Characters of examples of values."""


def propose_export(samples: Mapping[str, Sample], settings: TableSettings) -> ExportProposal:
    """Return how the files of an export are joined and read.

    Args:
        samples: of each table, by its name in the export, as in `shop.xlsx#Orders`; the more rows they were taken
            from, the surer the proposal.
        settings: what the shop has set, which stays.

    Raises:
        Refused: the files do not say who bought what and when.
    """
    tables, left_out, sentences = different({name: in_one_language(sample) for name, sample in samples.items()})
    files = _Files(tables, relate(tables), left_out, sentences)
    roles = Roles(tables, settings, files.relations)
    try:
        return _proposal(files, roles)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        reason = Text(
            "export.no-settings",
            "no settings can say how to read them: {where}: {problem}",
            where=where,
            problem=problem["msg"],
        )
        raise Refused(FILES, reason) from None
    except Refused:
        lacking = find_lacking(roles)
        if lacking is None:
            raise
    return _asking_for_column(lacking, files, settings)


@dataclass(frozen=True, slots=True)
class _Files:
    """All tables of an export that differ."""

    tables: Mapping[str, Sample]
    relations: Relations
    left_out: Sequence[LeftOut]
    sentences: Sequence[str]


def _proposal(files: _Files, roles: Roles) -> ExportProposal:
    """Raises Refused and ValidationError."""
    sales, people = find_sales(roles)
    name, several = currency(roles, sales.tables)
    made = interactions(roles, sales)
    used, ids = frozenset(sales.tables), made.sample.ids(made.proposal.columns)
    of_users = users(roles, sales, ids)
    used |= of_users.used if of_users else frozenset()
    of_items = items(roles, sales, ids, used)
    used |= of_items.used
    parts = [part for part in (of_users, of_items) if part]
    proposal, dated = made.proposal, "dates" in of_items.table
    questions = [
        *several,
        *(question for part in parts for question in part.questions),
        *ask_dates("interactions", proposal, made.sample, of_newest=dated),
        *ask_zone(roles, sales.time, proposal),
        *ask_statuses(roles.settings, made.sample),
        *ask_ids(roles, sales.user, _headings(roles.heading(sales.user), proposal.document(), *parts)),
    ]
    left_out = [*files.left_out, *(left for part in parts for left in part.left_out)]
    left_out += [*_personal(roles, sales), *_unused(roles, sales, used)]
    of_parts = [sentence for part in parts for sentence in part.sure]
    export = {"interactions": made.table, "users": of_users.table if of_users else {}, "items": of_items.table}
    export = {kind: table for kind, table in export.items() if table}
    return ExportProposal(
        export=ExportSettings.model_validate(export),
        settings={"export": export, **_sections(roles.settings, proposal.document(), parts, export)},
        sure=tuple(dict.fromkeys([*files.sentences, *people, *made.sure, *of_parts])),
        questions=tuple(questions),
        left_out=tuple(dict.fromkeys(left_out)),
        currency=name,
    )


def _headings(user: str, of_interactions: Mapping[str, Any], *parts: Part) -> list[str]:
    """Return what the columns with the ids of users are called in all files; `user` is the one of sales."""
    sections = [(of_interactions.get("interactions", {}), user)]
    sections += [(part.settings.get("users", {}), "USER_ID") for part in parts if "users" in part.settings]
    headings = list[str]()
    for section, usual in sections:
        named = [heading for heading, ours in section.get("columns", {}).items() if ours == "USER_ID"]
        headings += named or [usual]
    return list(dict.fromkeys(headings))


def _sections(
    settings: TableSettings, of_interactions: Mapping[str, object], parts: Sequence[Part], export: Mapping[str, object]
) -> dict[str, object]:
    """Return the settings beside the section `export`: what the shop has set, and what the tables need."""
    document = settings.model_dump(mode="json", exclude_unset=True, exclude={"export"})
    documents = [of_interactions, *(part.settings for part in parts)]
    for more in documents:
        document = merged(document, more)
    if "rejects" in document:
        limits = [more["rejects"].get("limit", 0) for more in documents if isinstance(more.get("rejects"), Mapping)]
        document = merged(document, {"rejects": {"limit": max([settings.rejects.limit, *limits])}})
    for kind in export:
        section = {name: value for name, value in document.pop(kind, {}).items() if name not in _OF_FILES}
        document |= {kind: section} if section else {}
    return document


def _personal(roles: Roles, sales: Sales) -> list[LeftOut]:
    """Return the personal data of the tables of sales; names of items are none."""
    left_out = []
    for table in sales.tables:
        private = personal_columns(roles.tables[table], sales.user[1] if table == sales.user[0] else -1)
        private = [heading for heading in private if usual_names.NAMES_IN_SALES.isdisjoint(forms(heading))]
        left_out += [of_people(table, private)] if private else []
    return left_out


def _unused(roles: Roles, sales: Sales, used: frozenset[str]) -> list[LeftOut]:
    return [
        LeftOut(name, (), _why_unused(roles, sales, name, used), sample.read)
        for name, sample in roles.tables.items()
        if name not in used
    ]


def _why_unused(roles: Roles, sales: Sales, name: str, used: frozenset[str]) -> str:
    kind, header = roles.kinds[name], roles.tables[name].header
    refers = [relation for relation in roles.relations.of(name) if relation.other in used]
    if refers and (words := outcomes.lost(roles.tables[name])):
        return Text(
            "left-out.outcomes",
            "its {column} refers to {other}, but it has numbers of its own. If {words} says what became of whole "
            "orders, put that into {other}",
            column=header[refers[0].column],
            other=refers[0].other,
            words=statuses.listed(words),
        )
    if refers and not {"USER_ID", "ITEM_ID"} <= roles.columns[name].keys():
        return Text(
            "left-out.refers",
            "its {column} refers to {other}, and no recommendation needs the rest",
            column=header[refers[0].column],
            other=refers[0].other,
        )
    for relation in roles.relations.broken:
        if name == relation.other or (name == relation.table and relation.other in sales.tables):
            return Text(
                "left-out.stranger",
                "it fits nothing: only {because}. Is it of another shop?",
                because=relation.because,
            )
    if kind == "interactions":
        return Text(
            "left-out.interactions",
            "it has interactions, as {table} has: drop it by itself, or add its rows to that file",
            table=sales.table,
        )
    if kind is not None:
        return Text(
            "left-out.no-ids",
            "it has {kind}, and no column of it has the ids of {tables}",
            kind=Text(f"kind.{kind}", kind),
            tables=", ".join(sales.tables),
        )
    return Text(
        "left-out.nothing",
        "nothing in it ({columns}) belongs to users, items or sales",
        columns=Text.some_of(header),
    )


_SAYS: Mapping[str, Text] = {
    "USER_ID": Text("says.user", "who bought"),
    "ITEM_ID": Text("says.item", "what was bought"),
    "TIMESTAMP": Text("says.time", "when it was bought"),
}


def _asking_for_column(lacking: Lacking, files: _Files, settings: TableSettings) -> ExportProposal:
    """Return a proposal that asks which column says who bought, what, or when: each answer has settings of its own."""
    sample, proposals = files.tables[lacking.table], dict[str, ExportProposal]()
    names = {"table": lacking.table, "says": _SAYS[lacking.target]}
    for index in lacking.candidates:
        columns = {"interactions": {"columns": {sample.header[index]: lacking.target}}}
        document = merged(settings.model_dump(mode="json", exclude_unset=True), columns)
        try:
            chosen = type(settings).model_validate(document)
            proposals[sample.header[index]] = _proposal(files, Roles(files.tables, chosen, files.relations))
        except (Refused, ValidationError):
            continue
    if not proposals:
        reason = Text(
            "export.no-column",
            "no column says {says}: it has {columns}",
            says=names["says"],
            columns=Text.some_of(sample.header),
        )
        raise Refused(lacking.table, reason)
    examples = {heading: _examples(sample, index) for index, heading in enumerate(sample.header)}
    question = Question(
        id=f"interactions.{lacking.target}",
        text=Text("ask.column", "Which column of {table} says {says}?", **names),
        choices={heading: Text("ask.column.such", "such as {cells}", cells=examples[heading]) for heading in proposals},
        default=None,
        evidence=Text(
            "ask.column.because",
            "no column is named as {target} usually is, and no other file has it",
            target=lacking.target,
        ),
        settings={heading: _without_personal_ids(proposal) for heading, proposal in proposals.items()},
    )
    first, export = next(iter(proposals.values())), {"interactions": {"file": lacking.table}}
    return replace(
        first,
        export=ExportSettings.model_validate(export),
        settings={"export": export},
        # The question is still open which column tells it.
        sure=tuple(sentence for sentence in first.sure if getattr(sentence, "code", "") != "export.told-by"),
        questions=(question, *(other for other in first.questions if other.id != "personal")),
    )


def _without_personal_ids(proposal: ExportProposal) -> Document:
    """Return the settings of a proposal, with hashes for ids that are personal data: nobody is asked once more."""
    question_of_ids = next((question for question in proposal.questions if question.id == "personal"), None)
    return merged(proposal.settings, question_of_ids.effect("hash")) if question_of_ids else proposal.settings


def _examples(sample: Sample, index: int) -> str:
    return ", ".join(dict.fromkeys(cell for cell in sample.column(index) if cell.strip()))[:_EXAMPLES]
