# SPDX-License-Identifier: Apache-2.0
"""Which columns are taken of the files of an export, and which are left out: what nobody needs, and personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from table_intake.columns import schema, statuses, usual_names
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import plain, ranks
from table_intake.propose import personal
from table_intake.propose.joined import JoinedSample
from table_intake.propose.one_file import proposed, read_as
from table_intake.propose.outcomes import CODES, word_column
from table_intake.propose.proposal import Proposal
from table_intake.propose.questions import Document, LeftOut, Question, merged
from table_intake.propose.relations import Relation
from table_intake.propose.roles import Roles, nameable
from table_intake.propose.sales import Sales
from table_intake.propose.samples import Ids, Sample
from table_intake.settings.files import InteractionFileSettings
from table_intake.wording import Text

_CROWD = 20
"""Users for each buyer from which on that is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is proposed for one kind of data."""

    table: Mapping[str, Any]
    """Its section of the export; empty where no file has it."""
    settings: Document
    """Settings with its section."""
    sure: Sequence[str]
    questions: Sequence[Question] = ()
    left_out: Sequence[LeftOut] = ()
    used: frozenset[str] = frozenset()
    """The tables that it is made of, or that were looked at for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """How the rows of sales are read."""

    table: Mapping[str, Any]
    proposal: Proposal
    sample: Sample
    """Rows of what is joined."""
    sure: Sequence[str]


def interactions(roles: Roles, sales: Sales) -> Interactions:
    """Return how the sales are read: what is taken of each table, and the settings for what is joined."""
    base, joined = roles.tables[sales.table], JoinedSample(sales.table, roles.tables[sales.table])
    joins = []
    for relation in (*sales.joins, *sales.outcomes):
        taken = _taken(roles, sales, relation)
        by = joined.heading((relation.table, relation.column))
        joined.add(relation, roles.tables[relation.other], taken, spare=True)
        more = {"missing": "keep"} if relation in sales.outcomes else {}
        joins.append(join(roles, relation, by, taken, **more))
    columns = dict[str, str]()
    for target, column in sales.targets.items():
        heading = joined.heading(column)
        if canonical(heading).replace("_", "") != target.replace("_", ""):
            columns[heading] = target
    sample = joined.sample()
    proposal, remarks = proposed(roles.settings, sample, "interactions", columns, {})
    # The columns that their settings read, and no other.
    section = InteractionFileSettings.model_validate(proposal.section)
    read = {canonical(heading).replace("_", "") for heading in section.named()}
    read |= {name.replace("_", "") for name in schema.recognised("interactions", None)}
    named = nameable(heading for heading in base.header if canonical(heading).replace("_", "") in read)
    table = {"file": sales.table, "columns": named, **({"join": joins} if joins else {})}
    notes = map(note, (*sales.joins, *sales.outcomes))
    return Interactions(
        table=table,
        proposal=proposal,
        sample=sample,
        sure=[*remarks, *notes, _told_by(roles, sales)],
    )


def join(roles: Roles, relation: Relation, by: str, columns: Sequence[str], **more: str) -> dict[str, Any]:
    """Return how a table is joined, for the section `export`."""
    return {
        "file": relation.other,
        "by": {by: roles.heading((relation.other, relation.key))},
        "columns": [*columns],
        **({"repeated": "last"} if roles.tables[relation.other].translated else {}),
        **more,
    }


def note(relation: Relation) -> Text:
    """Return a sentence about a table that goes with another one."""
    values = {"table": relation.table, "other": relation.other, "because": relation.because}
    if relation.orphans < 0.0005:
        return Text("export.goes-with", "{table} goes with {other}: {because}", **values)
    return Text(
        "export.goes-with-orphans",
        "{table} goes with {other}: {because}; {orphans:.1%} of the rows have no partner",
        **values,
        orphans=relation.orphans,
    )


def _told_by(roles: Roles, sales: Sales) -> Text:
    user, item, time = (
        Text("export.column", "{column} ({table})", column=roles.heading(column), table=column[0])
        for column in sales.targets.values()
    )
    return Text(
        "export.told-by", "users are told by {user}, items by {item}, times by {time}", user=user, item=item, time=time
    )


def _taken(roles: Roles, sales: Sales, relation: Relation) -> list[str]:
    """Return the columns of a joined table that interactions need."""
    sample = roles.tables[relation.other]
    needed = {index for table, index in sales.targets.values() if table == relation.other}
    if relation.strength == CODES and (words := word_column(sample)) is not None:
        return [sample.header[words]]
    needed |= {further.column for further in (*sales.joins, *sales.outcomes) if further.table == relation.other}
    needed |= set(sample.counts)
    for index, heading in enumerate(sample.header):
        several = plain(heading) in usual_names.CURRENCY and len(set(sample.column(index)) - {""}) > 1
        event = plain(heading) in ranks(usual_names.TYPE) or plain(heading) in usual_names.TIMES_OF_DAY
        if statuses.column(heading) is not None or several or event:
            needed.add(index)
    return [sample.header[index] for index in sorted(needed - {relation.key})]


def users(roles: Roles, sales: Sales, ids: Ids) -> Part | None:
    """Return how users are read: by the file that their ids lead to, without personal data; None without such a file.

    Args:
        roles: of the tables.
        sales: of the export.
        ids: of the interactions.
    """
    relations = [
        relation
        for relation in roles.relations.of(*sales.user)
        if relation.other not in sales.tables and roles.kinds[relation.other] != "items"
    ]
    relation = sales.people or next(iter(relations), None)
    if relation is None:
        return None
    sample = roles.tables[relation.other]
    index = sales.user[1] if sales.people else relation.key
    key = sample.header[index]
    settings, sure, questions = read_as(roles.settings, sample, "users", {key: "USER_ID"}, ids)
    private = personal_columns(sample, index)
    ignore = [*settings["users"].get("ignore", [])]
    ignore += [heading for heading in private if heading not in ignore]
    ignore += [sample.header[relation.key]] if sales.people else []
    columns = nameable(heading for heading in sample.header if heading not in ignore)
    left_out = [of_people(relation.other, private)] if private else []
    sure += [] if sales.people else [note(relation)]
    buyers = roles.tables[relation.table].value_sets()[relation.column].different
    if sample.read > _CROWD * buyers:
        sure.append(
            Text(
                "export.crowd",
                "{table} has {users:,} {users:user|users} or more, of whom about {buyers:,} bought something: all of "
                "them are imported",
                table=relation.other,
                users=sample.read,
                buyers=buyers,
            )
        )
    table, used = {"file": relation.other, "columns": columns}, frozenset({relation.other})
    if len(columns) == 1:
        reason = Text("left-out.ids-alone", "beside the ids of users it has nothing that recommendations may use")
        left_out.append(LeftOut(relation.other, (), reason, sample.read))
        return Part(table={}, settings={}, sure=sure, questions=questions, left_out=left_out, used=used)
    return Part(
        table={**table, **({"one_row_per": key} if sales.people else {})},
        settings=merged(settings, {"users": {"ignore": ignore}} if ignore else {}),
        sure=sure,
        questions=questions,
        left_out=left_out,
        used=used,
    )


def personal_columns(sample: Sample, key: int) -> list[str]:
    """Return the columns that say who somebody is, apart from the one of the ids."""
    return [
        heading
        for index, heading in enumerate(sample.header)
        if index != key and personal.is_personal(heading, sample.column(index))
    ]


def of_people(table: str, columns: Sequence[str]) -> LeftOut:
    """Return personal data as what is left out."""
    return LeftOut(table, tuple(columns), Text("left-out.personal", "personal data, which no recommendation needs"))
