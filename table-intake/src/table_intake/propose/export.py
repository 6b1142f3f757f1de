# SPDX-License-Identifier: Apache-2.0
"""Propose how all files of an export belong together: what joins what, which settings read it, what is left open."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from table_intake.columns import schema, statuses, usual_names
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import bare, plain, ranks
from table_intake.errors import Refused
from table_intake.kinds import DataKind
from table_intake.propose import personal, values
from table_intake.propose.judgement import judge
from table_intake.propose.propose import Proposal, propose_settings
from table_intake.propose.questions import Document, ExportProposal, LeftOut, Question, merged
from table_intake.propose.relations import Relation, Relations, relate
from table_intake.propose.samples import Ids, Sample
from table_intake.propose.tables import different
from table_intake.propose.targets import find_targets
from table_intake.settings.exports import ExportSettings, base_name
from table_intake.settings.files import InteractionFileSettings
from table_intake.settings.tables import TableSettings
from table_intake.wording import Text, counted

FILES = "the files"
"""What a refusal of all files together is about."""
_SHOWN = 8
_REPEATED = 0.98
"""The share of different values from which on a column has one row for each item, so that nothing is sold in it."""
_HALF = 0.5
_ENOUGH, _LOOKED_AT, _STEM = 20, 200, 4
"""Values of an id that say something; cells that are read as times; letters by which two names of ids are alike."""
_BOUGHT = re.compile(r"purchase|order|creat|placed|sold|paid|transaction|invoice|bestell|주문|구매|결제|판매")
_LATER = re.compile(
    r"deliver|ship|approv|updat|modif|limit|estimat|birth|due|required|cancel|return|refund|배송|취소|반품|환불|생일"
)
"""Names of times at which something was bought, and of others."""
_SHORT = 60
"""Characters of examples of values."""
_CROWD = 20
"""Users for each buyer from which on that is worth a word."""
_LONGEST = 150
"""Characters of a column's name in settings."""
_CURRENCY = frozenset(
    ranks("""
    currency currencycode ordercurrency pricecurrency waehrung wahrung waerk devise moneda divisa valuta 통화 화폐
    通貨 货币 币种
""")
)
_ELSEWHERE = ("left out, since", "only you can say", "no column looks like PRICE", "no column looks like CATEGORY_L1")
"""Beginnings of remarks on what is said elsewhere here."""
_OF_FILES = frozenset({"encoding", "separator", "sheet", "member", "header", "totals", "rows"})
"""Settings for a file as it came: what is joined has another form."""
_ZONES = (("[\uac00-\ud7a3]", "Asia/Seoul", "Korean"), ("[\u3041-\u30ff]", "Asia/Tokyo", "Japanese"))
_OFFERED = ("UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York")


def propose_export(samples: Mapping[str, Sample], settings: TableSettings) -> ExportProposal:
    """Return how the files of an export are joined and read.

    Args:
        samples: of each table, by its name in the export, as in `shop.xlsx#Orders`; the more rows they were taken
            from, the surer the proposal.
        settings: what the shop has set, which stays.

    Raises:
        Refused: the files do not say who bought what and when.
    """
    tables, left_out, sentences = different(samples)
    noted = (left_out, sentences)
    relations = relate(tables)
    proposing = _Proposing(tables, settings, noted, relations)
    try:
        return proposing.proposal()
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise Refused(FILES, f"no settings can say how to read them: {where}: {problem['msg']}") from None
    except Refused:
        lacking = proposing.lacking()
        if lacking is None:
            raise
    return _asking(lacking, tables, settings, noted, relations)


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A table of sales of which no column looks like the one thing that is missing."""

    table: str
    target: str
    candidates: tuple[int, ...]


_Noted = tuple[Sequence[LeftOut], Sequence[str]]
"""What is left out already, and sentences about the tables."""
_TOLD_BY = "users are told by "
_SAYS = {"USER_ID": "who bought", "ITEM_ID": "what was bought", "TIMESTAMP": "when it was bought"}


def _asking(
    lacking: _Lacking, tables: Mapping[str, Sample], settings: TableSettings, noted: _Noted, relations: Relations
) -> ExportProposal:
    """Return a proposal that asks which column says who bought, what, or when: each answer has settings of its own."""
    sample, proposals = tables[lacking.table], dict[str, ExportProposal]()
    for index in lacking.candidates:
        columns = {"interactions": {"columns": {sample.header[index]: lacking.target}}}
        document = merged(settings.model_dump(mode="json", exclude_unset=True), columns)
        try:
            chosen = type(settings).model_validate(document)
            proposals[sample.header[index]] = _Proposing(tables, chosen, noted, relations).proposal()
        except (Refused, ValidationError):
            continue
    if not proposals:
        raise Refused(
            lacking.table, f"no column says {_SAYS[lacking.target]}: it has {Text.some_of(sample.header, _SHOWN)}"
        )
    first = next(iter(proposals.values()))
    examples = {sample.header[index]: sample.column(index) for index in lacking.candidates}
    question = Question(
        id=f"interactions.{lacking.target}",
        text=f"Which column of {lacking.table} says {_SAYS[lacking.target]}?",
        choices={
            heading: "such as " + ", ".join(dict.fromkeys(cell for cell in examples[heading] if cell.strip()))[:_SHORT]
            for heading in proposals
        },
        default=None,
        evidence=f"no column is named as {lacking.target} usually is, and no other file has it",
        settings={heading: proposal.settings for heading, proposal in proposals.items()},
    )
    export = {"interactions": {"file": lacking.table}}
    return replace(
        first,
        export=ExportSettings.model_validate(export),
        settings={"export": export},
        # The question is still open which column tells it.
        sure=tuple(sentence for sentence in first.sure if not sentence.startswith(_TOLD_BY)),
        questions=(question, *(other for other in first.questions if other.id != "personal")),
    )


@dataclass(frozen=True, slots=True)
class _Sales:
    """The table whose rows are sold items, and the columns of them; a column of a joined table comes by relations."""

    table: str
    item: int
    joins: tuple[Relation, ...]
    user: tuple[str, int]
    time: tuple[str, int]

    @property
    def tables(self) -> tuple[str, ...]:
        return (self.table, *(relation.other for relation in self.joins))


class _Proposing:
    """Looks at all tables together."""

    def __init__(
        self, tables: Mapping[str, Sample], settings: TableSettings, noted: _Noted, relations: Relations
    ) -> None:
        self._tables = tables
        self._settings = settings
        left_out, sure = noted
        self._left_out, self._sure = [*left_out], [*sure]
        self._relations = relations
        self._recognised = {
            name: find_targets(sample, settings, "interactions").indices for name, sample in tables.items()
        }
        """The columns of each table that Personalize knows, if it has interactions."""
        self._kinds = {name: judge(sample, settings).kind for name, sample in tables.items()}
        self._questions = list[Question]()
        self._roles = {name: self._role_columns(name) for name in tables}
        self._timed = {name for name in tables if self._has_time(name)}
        self._used = set[str]()
        self._dated = False
        """Whether items are made of sales whose dates have a form of their own."""

    def proposal(self) -> ExportProposal:
        sales = self._sales()
        interactions, taken, sample = self._interactions(sales)
        self._note_joins(sales)
        currency = self._currency(sales)
        ids = sample.ids(interactions.columns)
        export: dict[str, Any] = {"interactions": self._table(sales, interactions, taken)}
        document = self._settings.model_dump(mode="json", exclude_unset=True)
        limits = [self._settings.rejects.limit, interactions.shared.get("rejects", {}).get("limit", 0)]
        document = merged(document, interactions.document())
        for kind, make in (("users", self._users), ("items", self._items)):
            made = make(sales, ids)
            if made is not None:
                export[kind], section = made
                limits.append(section.get("rejects", {}).get("limit", 0))
                document = merged(document, section)
        if "rejects" in document:
            document = merged(document, {"rejects": {"limit": max(limits)}})
        self._ask(sales, sample, interactions)
        self._leave_out_rest(sales)
        ordered = {kind: export[kind] for kind in ("interactions", "users", "items") if kind in export}
        for kind in export:
            section = {name: value for name, value in document.pop(kind, {}).items() if name not in _OF_FILES}
            document |= {kind: section} if section else {}
        return ExportProposal(
            export=ExportSettings.model_validate(ordered),
            settings={"export": ordered, **{name: value for name, value in document.items() if name != "export"}},
            sure=tuple(self._sure),
            questions=tuple(self._questions),
            left_out=tuple(dict.fromkeys(self._left_out)),
            currency=currency,
        )

    # What was sold, to whom and when.

    def _role_columns(self, name: str) -> Mapping[str, int]:
        """Return the columns of user, item and time of a table, if it had sales."""
        sample = self._tables[name]
        indices = dict(self._recognised[name])
        mapped = {canonical(heading) for heading in self._settings.file_settings("interactions").columns}
        user = indices.get("USER_ID")
        if user is None or canonical(sample.header[user]) not in mapped:
            indices.pop("USER_ID", None)
            if users := [index for index in self._user_columns(name) if canonical(sample.header[index]) not in mapped]:
                indices["USER_ID"] = users[0]
        if "TIMESTAMP" not in indices and (time := _time_column(sample)) is not None:
            indices["TIMESTAMP"] = time
        # Of several ids of items, the one that a file of items has as its key.
        best = ranks(usual_names.ITEM)
        items = [
            (min(best.get(form, len(best)) for form in (plain(heading), bare(heading))), index)
            for index, heading in enumerate(sample.header)
            if any(self._kinds[relation.other] == "items" for relation in self._relations.of(name, index))
        ]
        if items and canonical(sample.header[indices.get("ITEM_ID", items[0][1])]) not in mapped:
            indices["ITEM_ID"] = min(items)[1]
        return indices

    def _user_columns(self, name: str) -> list[int]:
        """Return the columns that may name users, the best first: an id before an e-mail address, and before both what
        another table has as its key."""
        sample, best = self._tables[name], ranks(f"{usual_names.USER} {usual_names.PHONE}")
        scored = []
        for index, heading in enumerate(sample.header):
            rank = min(best.get(form, len(best)) for form in (plain(heading), bare(heading)))
            refers = any(map(self._is_of_users, self._relations.of(name, index)))
            if (rank < len(best) or refers) and sample.filled(index) > 0:
                cells = sample.column(index)
                scored.append((sample.filled(index) < _HALF, bool(personal.kind_of(cells)), not refers, rank, index))
        return [index for *_, index in sorted(scored)]

    def _sales(self) -> _Sales:
        candidates = [sales for name in self._tables for sales in self._sales_in(name)]
        if not candidates:
            raise Refused(FILES, self._why_no_sales())
        return self._of_people(min(candidates, key=self._doubt))

    def lacking(self) -> _Lacking | None:
        """Return the table that has sales but for one thing, and the columns that may be it; None without any."""
        usual = ranks(f"{usual_names.QUANTITY} {usual_names.ORDER} {usual_names.TYPE}").keys() - {"name"}
        for name, roles in sorted(self._roles.items(), key=lambda pair: -self._tables[pair[0]].read):
            missing = [target for target in _SAYS if target not in roles]
            sample = self._tables[name]
            if len(missing) != 1 or ("ITEM_ID" in roles and usual.isdisjoint(map(plain, sample.header))):
                continue
            if any(self._may_join(relation) for relation in self._relations.of(name)):
                continue
            candidates = [
                index
                for index in range(len(sample.header))
                if index not in roles.values() and self._may_be(missing[0], sample, index)
            ]
            if candidates and len(_nameable(sample.header[index] for index in candidates)) == len(candidates):
                return _Lacking(name, missing[0], tuple(candidates[:_SHOWN]))
        return None

    @staticmethod
    def _may_be(target: str, sample: Sample, index: int) -> bool:
        """Tell whether a column may name users or items, or be a time."""
        cells = [cell for cell in sample.column(index) if cell.strip()][:_LOOKED_AT]
        is_order = plain(sample.header[index]) in ranks(usual_names.ORDER)
        if not cells or sample.filled(index) < _HALF or not sample.header[index].strip() or is_order:
            return False
        if target == "TIMESTAMP":
            return not values.times(cells).problem
        ids = sample.value_sets()[index]
        is_amount = any(re.fullmatch(r"-?[\d,]*[.,]\d{1,2}", cell.strip()) for cell in cells[:3])
        is_time = not any(map(values.is_number, cells[:3])) and not values.times(cells).problem
        return not is_amount and not is_time and ids.unique < _REPEATED and ids.different >= _ENOUGH

    def _of_people(self, sales: _Sales) -> _Sales:
        """Return the sales with people in place of ids that are new with each order, where a file knows the people."""
        table, index = sales.user
        ids = self._tables[table].value_sets()[index]
        if ids.unique < _REPEATED or ids.different < _ENOUGH:
            return sales
        for relation in self._relations.of(table, index):
            people = self._tables[relation.other]
            stem = plain(self._tables[table].header[index])[:_STEM]
            for other, heading in enumerate(people.header):
                values_here = people.value_sets()[other]
                is_named = plain(heading).startswith(stem) or plain(heading) in ranks(usual_names.USER)
                is_id = values_here.filled >= _REPEATED * values_here.rows and values_here.different >= _ENOUGH
                repeats = values_here.unique < 1 and not personal.is_personal(heading, people.column(other))
                if other != relation.key and is_named and is_id and repeats and relation.other not in sales.tables:
                    self._sure.append(
                        f"{self._heading((table, index))} is new with each order, so users are told by {heading} of "
                        f"{relation.other}"
                    )
                    return replace(sales, joins=(*sales.joins, relation), user=(relation.other, other))
        return sales

    def _doubt(self, sales: _Sales) -> tuple[bool, int, int]:
        """Return what speaks against a table of sales: reviews and wish lists have users, items and times as well."""
        usual = ranks(f"{usual_names.QUANTITY} {usual_names.ORDER} {usual_names.TYPE}").keys() - {"name"}
        sample = self._tables[sales.table]
        return usual.isdisjoint(map(plain, sample.header)), len(sales.joins), -sample.read

    def _sales_in(self, name: str) -> Iterator[_Sales]:
        roles, sample = self._roles[name], self._tables[name]
        item = roles.get("ITEM_ID")
        if item is None:
            return
        is_of_items = self._kinds[name] == "items" and "USER_ID" not in roles
        repeats = sample.value_sets()[item].unique < _REPEATED or len(sample.rows) < 20
        if is_of_items and not repeats:
            return
        for joins in self._joins(name):
            tables = [name, *(relation.other for relation in joins)]
            users = [(table, self._roles[table]["USER_ID"]) for table in tables if "USER_ID" in self._roles[table]]
            times = [(table, self._roles[table]["TIMESTAMP"]) for table in tables if table in self._timed]
            if users and times and all(self._is_needed(relation, joins, users, times) for relation in joins):
                yield _Sales(name, item, joins, users[0], times[0])
                return

    def _has_time(self, table: str) -> bool:
        index = self._roles[table].get("TIMESTAMP")
        return index is not None and not values.times(self._tables[table].column(index)).problem

    def _joins(self, name: str) -> Iterator[tuple[Relation, ...]]:
        """Yield what may be joined to a table, the fewest tables first; never items or users, which have own files."""
        direct = [relation for relation in self._relations.of(name) if self._may_join(relation)]
        yield ()
        for relation in direct:
            yield (relation,)
        for relation in direct:
            for further in self._relations.of(relation.other):
                if self._may_join(further) and further.other != name:
                    yield (relation, further)

    def _may_join(self, relation: Relation) -> bool:
        """Tell whether a table that a relation leads to may have orders: its key names neither users nor items."""
        kind, sample = self._kinds[relation.other], self._tables[relation.other]
        of_orders = plain(sample.header[relation.key]) in ranks(usual_names.ORDER) or bool(
            re.search(usual_names.FILES["interactions"], base_name(relation.other).casefold())
        )
        may_be = kind in {None, "interactions"} or of_orders or (kind == "users" and not self._is_of_users(relation))
        return "TIMESTAMP" in self._roles[relation.other] and may_be

    def _is_of_users(self, relation: Relation) -> bool:
        """Tell whether a relation leads to a file of users, which has one row for each: orders come back to theirs."""
        sample = self._tables[relation.other]
        user = self._recognised[relation.other].get("USER_ID", relation.key)
        is_of_orders = user != relation.key and sample.value_sets()[user].unique < _REPEATED
        return self._kinds[relation.other] == "users" and not is_of_orders

    @staticmethod
    def _is_needed(
        relation: Relation,
        joins: Sequence[Relation],
        users: Sequence[tuple[str, int]],
        times: Sequence[tuple[str, int]],
    ) -> bool:
        leads_on = any(further.table == relation.other for further in joins)
        return leads_on or relation.other in {users[0][0], times[0][0]}

    def _why_no_sales(self) -> str:
        for relation in self._relations.broken:
            if "ITEM_ID" not in self._roles[relation.table] or "USER_ID" not in self._roles[relation.other]:
                continue
            heading = self._tables[relation.table].header[relation.column]
            key = self._tables[relation.other].header[relation.key]
            return (
                f"{relation.table} and {relation.other} do not belong together: only {relation.because}. Are these "
                f"files of two shops? {heading} must have the values of {key}"
            )
        names = {
            role: [name for name, roles in self._roles.items() if role in roles]
            for role in ("USER_ID", "ITEM_ID", "TIMESTAMP")
        }
        orders = [name for name in names["USER_ID"] if name in names["TIMESTAMP"] and name not in names["ITEM_ID"]]
        lines = [name for name in names["ITEM_ID"] if self._tables[name].orders({self._roles[name]["ITEM_ID"]})]
        if lines and not orders:
            has = self._tables[lines[0]].header
            return (
                f"{lines[0]} has the lines of orders ({Text.some_of(has, _SHOWN)}), and no file says who bought and "
                "when: add the file with the orders"
            )
        if orders and not lines:
            has = self._tables[orders[0]].header
            return (
                f"{orders[0]} has orders ({Text.some_of(has, _SHOWN)}), and no file says what was bought: add the file "
                "with the lines of orders"
            )
        told = "; ".join(
            f"{name}: {judge(sample, self._settings).because} ({Text.some_of(sample.header, _SHOWN)})"
            for name, sample in self._tables.items()
        )
        return f"no file says who bought what and when, alone or joined with another. {told}"

    # Interactions.

    def _interactions(self, sales: _Sales) -> tuple[Proposal, Mapping[str, list[str]], Sample]:
        """Return the settings of interactions, what is taken of each joined table, and rows of what is joined."""
        taken = {relation.other: self._taken(relation, sales) for relation in sales.joins}
        sample, headings = self._joined_sample(sales, taken)
        columns = dict[str, str]()
        for target, (table, index) in self._targets(sales).items():
            heading = headings[table, index]
            if canonical(heading).replace("_", "") != target.replace("_", ""):
                columns[heading] = target
        proposal = self._propose(sample, "interactions", columns, {})
        self._used |= set(sales.tables)
        return proposal, taken, sample

    @staticmethod
    def _targets(sales: _Sales) -> Mapping[str, tuple[str, int]]:
        return {"USER_ID": sales.user, "ITEM_ID": (sales.table, sales.item), "TIMESTAMP": sales.time}

    def _taken(self, relation: Relation, sales: _Sales) -> list[str]:
        """Return the columns of a joined table that interactions need."""
        sample = self._tables[relation.other]
        needed = {index for table, index in self._targets(sales).values() if table == relation.other}
        needed |= {further.column for further in sales.joins if further.table == relation.other}
        needed |= {index for index in sample.counts if index not in needed}
        for index, heading in enumerate(sample.header):
            several = plain(heading) in _CURRENCY and len(set(sample.column(index)) - {""}) > 1
            event = plain(heading) in ranks(usual_names.TYPE) or plain(heading) in usual_names.TIMES_OF_DAY
            if statuses.column(heading) is not None or several or event:
                needed.add(index)
        return [sample.header[index] for index in sorted(needed - {relation.key})]

    def _joined_sample(
        self, sales: _Sales, taken: Mapping[str, Sequence[str]]
    ) -> tuple[Sample, Mapping[tuple[str, int], str]]:
        """Return rows of what is joined, and the name there of each column.

        A row whose partner is not in the sample gets the cells of another one: they are of the same form.
        """
        base = self._tables[sales.table]
        header, rows = [*base.header], [list(row) for row in base.rows]
        counts = dict(base.counts)
        headings = {(sales.table, index): heading for index, heading in enumerate(base.header)}
        places = {(sales.table, index): index for index in range(len(base.header))}
        for relation in sales.joins:
            other = self._tables[relation.other]
            indices = [[*other.header].index(heading) for heading in taken[relation.other]]
            partners = {row[relation.key].strip(): row for row in other.rows}
            by, spare = places[relation.table, relation.column], [*other.rows]
            for number, row in enumerate(rows):
                partner = partners.get(row[by].strip()) or (spare[number % len(spare)] if spare else None)
                row += [partner[index] if partner else "" for index in indices]
            names = {canonical(name) for name in header}
            for index in indices:
                heading = other.header[index]
                if canonical(heading) in names:
                    heading = f"{base_name(relation.other)}.{heading}"
                places[relation.other, index] = len(header)
                headings[relation.other, index] = heading
                if index in other.counts:
                    counts[len(header)] = other.counts[index]
                header.append(heading)
        return Sample(base.name, header, rows, counts=counts, order=base.order), headings

    def _table(self, sales: _Sales, proposal: Proposal, taken: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the section of the export for interactions: the columns that their settings read, and no other."""
        base, section = self._tables[sales.table], InteractionFileSettings.model_validate(proposal.section)
        named = {canonical(heading).replace("_", "") for heading in section.named()}
        named |= {name.replace("_", "") for name in schema.recognised("interactions", None)}
        columns = _nameable(heading for heading in base.header if canonical(heading).replace("_", "") in named)
        return {
            "file": sales.table,
            "columns": columns,
            **({"join": [self._join(relation, taken[relation.other]) for relation in sales.joins]} if taken else {}),
        }

    def _join(self, relation: Relation, columns: Sequence[str], by: str = "", **more: str) -> dict[str, Any]:
        by = by or self._tables[relation.table].header[relation.column]
        keys = {by: self._tables[relation.other].header[relation.key]}
        return {"file": relation.other, "by": keys, "columns": [*columns], **more}

    def _note_joins(self, sales: _Sales) -> None:
        for relation in sales.joins:
            self._note(relation)
        user, time = self._heading(sales.user), self._heading(sales.time)
        item = self._heading((sales.table, sales.item))
        self._sure.append(f"{_TOLD_BY}{user}, items by {item}, times by {time}")

    def _note(self, relation: Relation) -> None:
        orphans = f"; {relation.orphans:.1%} of the rows have no partner" if relation.orphans >= 0.0005 else ""
        self._sure.append(f"{relation.table} goes with {relation.other}: {relation.because}{orphans}")

    def _heading(self, column: tuple[str, int]) -> str:
        table, index = column
        return f"{self._tables[table].header[index]} ({table})"

    # Users and items.

    def _users(self, sales: _Sales, ids: Ids) -> tuple[dict[str, Any], Document] | None:
        of_people = [relation for relation in sales.joins if relation.other == sales.user[0] != sales.time[0]]
        for relation in of_people or self._relations.of(*sales.user):
            if (relation.other in sales.tables and not of_people) or self._kinds[relation.other] == "items":
                continue
            self._used.add(relation.other)
            sample = self._tables[relation.other]
            index = sales.user[1] if of_people else relation.key
            key = sample.header[index]
            section = self._section(sample, "users", {key: "USER_ID"}, ids)
            private = self._personal(sample, index)
            ignore = [*section.get("users", {}).get("ignore", [])]
            ignore += [heading for heading in private if heading not in ignore]
            ignore += [sample.header[relation.key]] if of_people else []
            columns = _nameable(heading for heading in sample.header if heading not in ignore)
            if private:
                reason = "personal data, which no recommendation needs"
                self._left_out.append(LeftOut(relation.other, tuple(private), reason))
            if not of_people:
                self._note(relation)
            buyers = self._tables[relation.table].value_sets()[relation.column].different
            if sample.read > _CROWD * buyers:
                self._sure.append(
                    f"{relation.other} has {counted(sample.read, 'user')} or more, of whom about {buyers:,} bought "
                    "something: all of them are imported"
                )
            if len(columns) == 1:
                reason = "beside the ids of users it has nothing that recommendations may use"
                self._left_out.append(LeftOut(relation.other, (), reason, sample.read))
                return None
            document = merged(section, {"users": {"ignore": ignore}} if ignore else {})
            once = {"one_row_per": key} if of_people else {}
            return {"file": relation.other, "columns": columns, **once}, document
        return None

    @staticmethod
    def _personal(sample: Sample, key: int) -> list[str]:
        return [
            heading
            for index, heading in enumerate(sample.header)
            if index != key and personal.is_personal(heading, sample.column(index))
        ]

    def _items(self, sales: _Sales, ids: Ids) -> tuple[dict[str, Any], Document] | None:
        for relation in self._relations.of(sales.table, sales.item):
            if relation.other in sales.tables:
                continue
            self._used.add(relation.other)
            self._note(relation)
            return self._of_products(relation, sales, ids)
        return self._of_lines(sales)

    def _of_products(self, relation: Relation, sales: _Sales, ids: Ids) -> tuple[dict[str, Any], Document]:
        """Return how items are read from their file, and from those that it refers to: products of variants, words for
        categories."""
        sample, joins = self._tables[relation.other], list[dict[str, Any]]()
        header, rows = [*sample.header], [list(row) for row in sample.rows]
        places = {(relation.other, index): index for index in range(len(header))}
        further = [*self._relations.of(relation.other)]
        for step in further:
            other = self._tables[step.other]
            names = {canonical(name) for name in header}
            headings = _nameable(heading for index, heading in enumerate(other.header) if index != step.key)
            indices = [[*other.header].index(heading) for heading in headings]
            is_of_users = "USER_ID" in self._roles[step.other]
            if step.other in self._used or not step.unique or is_of_users or not headings:
                continue
            self._used.add(step.other)
            self._note(step)
            partners, by = {row[step.key].strip(): row for row in other.rows}, places[step.table, step.column]
            for row in rows:
                partner = partners.get(row[by].strip())
                row += [partner[index] if partner else "" for index in indices]
            joins.append(self._join(step, headings, by=header[by], missing="keep"))
            for heading, index in zip(headings, indices, strict=True):
                places[step.other, index] = len(header)
                header.append(heading if canonical(heading) not in names else f"{base_name(step.other)}.{heading}")
            further += [more for more in self._relations.of(step.other) if (more.table, more.column) in places]
        joined = Sample(sample.name, header, rows, read=sample.read, whole=sample.whole)
        if "PRICE" not in find_targets(joined, self._settings, "items").indices:
            joined, joins = self._priced(joined, joins, relation, sales)
        section = self._section(joined, "items", {sample.header[relation.key]: "ITEM_ID"}, ids)
        table = {"file": relation.other, **({"join": joins} if joins else {})}
        return table, self._filled_in(section, joined)

    def _priced(
        self, items: Sample, joins: list[dict[str, Any]], relation: Relation, sales: _Sales
    ) -> tuple[Sample, list[dict[str, Any]]]:
        """Return items with the prices for which they were sold, where their own file has none."""
        lines = self._tables[sales.table]
        index = find_targets(lines, self._settings, "items").indices.get("PRICE")
        heading = lines.header[index] if index is not None else ""
        if index is None or canonical(heading) in map(canonical, items.header):
            return items, joins
        key, item = items.header[relation.key], lines.header[sales.item]
        prices = {row[sales.item].strip(): row[index] for row in lines.rows}
        rows = [[*row, prices.get(row[relation.key].strip(), "")] for row in items.rows]
        self._sure.append(f"{relation.other} has no prices: those of {sales.table} count, the last of each item")
        how = {"columns": [heading], "repeated": "last", "missing": "keep"}
        join = {"file": sales.table, "by": {key: item}, **how}
        sample = Sample(items.name, [*items.header, heading], rows, read=items.read, whole=items.whole)
        return sample, [*joins, join]

    def _of_lines(self, sales: _Sales) -> tuple[dict[str, Any], Document] | None:
        """Return how items are made of what their sales say of them."""
        sample = self._tables[sales.table]
        targets = dict(find_targets(sample, self._settings, "items").indices)
        others = [(index, heading) for index, heading in enumerate(sample.header) if index != sales.item]
        names = [index for index, heading in others if usual_names.translated(heading, "items") == "NAME"]
        names = names or [index for index, heading in others if plain(heading) in _NAMES]
        indices = {"ITEM_ID": sales.item, **({"NAME": names[0]} if names else {})}
        for target, index in targets.items():
            if target not in {"ITEM_ID", "CREATION_TIMESTAMP"} and index not in indices.values():
                indices[target] = index
        if len(indices) == 1:
            self._sure.append(f"no file has items, and {sales.table} says nothing of them but their ids")
            return None
        columns = {sample.header[index]: target for target, index in indices.items()}
        rows = [[row[index] for index in indices.values()] for row in sample.rows]
        some = Sample(sample.name, [*columns], rows, sample.read)
        section = self._filled_in(self._section(some, "items", columns, {}), some)
        self._sure.append(
            f"no file has items, so they are made of {sales.table}: {Text.some_of(list(columns), _SHOWN)}; the newest "
            "value counts"
        )
        table = {"file": sales.table, "columns": [*columns], "one_row_per": sample.header[sales.item]}
        return {**table, **self._newest(sales)}, section

    def _newest(self, sales: _Sales) -> dict[str, Any]:
        """Return how the newest of several sales is told; nothing where the order of the file must do."""
        table, index = sales.time
        heading, forms = self._tables[table].header[index], values.times(self._tables[table].column(index)).dates
        self._dated = bool(forms)
        form = {"dates": forms[0]} if forms else {}
        if table == sales.table:
            return {"newest_by": heading, **form}
        joins = [self._join(relation, [heading]) for relation in sales.joins[:1] if relation.other == table]
        if canonical(heading) in map(canonical, self._tables[sales.table].header):
            heading = f"{base_name(table)}.{heading}"
        return {"join": joins, "newest_by": heading, **form} if joins else {}

    def _filled_in(self, section: Document, sample: Sample) -> Document:
        """Return settings with values for what a shop of retail must have and these files lack."""
        if self._settings.domain != "ecommerce":
            return section
        targets = find_targets(sample, self._with(section["items"].get("columns", {}), "items"), "items").indices
        usual: Mapping[str, str | int] = {"PRICE": 0, "CATEGORY_L1": "other"}
        given = self._settings.file_settings("items").defaults
        lacking = {name: value for name, value in usual.items() if name not in targets and name not in given}
        if not lacking:
            return section
        told = " and ".join(f"{name} is {value}" for name, value in lacking.items())
        self._sure.append(f"no column of items has it, so {told} for all of them: change items.defaults if it is not")
        return merged(section, {"items": {"defaults": lacking}})

    def _section(self, sample: Sample, kind: DataKind, columns: Mapping[str, str], ids: Ids) -> Document:
        """Return the section of a kind for a table, of which some columns are told already."""
        needed = {heading: ours for heading, ours in columns.items() if canonical(heading) != ours}
        proposal = self._propose(sample, kind, needed, ids)
        self._ask_dates(kind, proposal, sample)
        return {kind: {}, **proposal.document()}

    def _propose(self, sample: Sample, kind: DataKind, columns: Mapping[str, str], ids: Ids) -> Proposal:
        """Return the settings of a kind for a table, of which some columns are told already."""
        settings = self._with(columns, kind)
        proposal = propose_settings(sample, settings, kind, ids)
        if proposal is None:
            raise Refused(sample.name, f"nothing can be proposed for {kind}")
        self._sure += [
            remark
            for remark in proposal.remarks
            if not remark.startswith(_ELSEWHERE) and "take one of the lines" not in remark
        ]
        return replace(proposal, section=proposal.section or settings.own_file_settings(kind))

    def _with(self, columns: Mapping[str, str], kind: DataKind) -> TableSettings:
        """Return the settings of the shop, with the meaning of some columns of a kind."""
        document = self._settings.model_dump(
            mode="json", exclude_unset=True, include={*TableSettings.model_fields}, exclude={"export"}
        )
        return TableSettings.model_validate(merged(document, {kind: {"columns": dict(columns)}} if columns else {}))

    # What is left open, and what is left out.

    def _ask(self, sales: _Sales, sample: Sample, proposal: Proposal) -> None:
        self._ask_dates("interactions", proposal, sample)
        self._ask_zone(sales, proposal)
        self._ask_statuses(sample)
        self._ask_ids(sales)

    def _ask_dates(self, kind: DataKind, proposal: Proposal, sample: Sample) -> None:
        """Ask for the form of dates, if several fit."""
        mapping = {canonical(heading): ours for heading, ours in proposal.columns.items()}
        target = "TIMESTAMP" if kind == "interactions" else "CREATION_TIMESTAMP"
        for index, heading in enumerate(sample.header):
            if mapping.get(canonical(heading), canonical(heading)) != target:
                continue
            cells = sample.column(index)
            forms = values.times(cells).dates
            if len(forms) < 2 or "dates" in proposal.section:
                continue
            example = next((cell for cell in cells if len({values.read(cell.strip(), form) for form in forms}) > 1), "")
            if not example:
                continue
            choices = {form: f"{example} is {_day(example, form)}" for form in forms}
            self._questions.append(
                Question(
                    id=f"{kind}.dates",
                    text=f"How are the dates in {heading} written?",
                    choices=choices,
                    default=None,
                    evidence=f"all values of {heading} that were looked at can be read in {len(forms)} ways",
                    settings={form: self._dates(kind, form) for form in forms},
                )
            )

    def _dates(self, kind: DataKind, form: str) -> Document:
        """Return where the form of dates of a kind stands in the settings."""
        newest = {"export": {"items": {"dates": form}}} if kind == "interactions" and self._dated else {}
        return {kind: {"dates": form}, **newest}

    def _ask_zone(self, sales: _Sales, proposal: Proposal) -> None:
        """Ask for the time zone, unless the times or the language of the files tell it."""
        cells = self._tables[sales.time[0]].column(sales.time[1])
        form = values.times(cells)
        section = self._settings.section("interactions")
        if form.zoned or (section and "timezone" in section.model_fields_set) or "timezone" in proposal.section:
            return
        headings = " ".join(heading for sample in self._tables.values() for heading in sample.header)
        likely = next(((zone, language) for marks, zone, language in _ZONES if re.search(marks, headings)), None)
        zone = likely[0] if likely else "UTC"
        text = f"In which time zone are the times in {self._tables[sales.time[0]].header[sales.time[1]]}?"
        example = next((cell for cell in cells if cell.strip()), "")
        evidence = f"a time like {example} names none"
        if likely:
            evidence += f", and the columns have {likely[1]} names"
        offered = dict.fromkeys((zone, *_OFFERED), "")
        self._questions.append(
            Question(
                id="interactions.timezone",
                text=text,
                choices={name: f"the times are those of {name}" for name in offered},
                default=zone,
                evidence=evidence,
                settings={name: {} if name == "UTC" else {"interactions": {"timezone": name}} for name in offered},
                any_zone=True,
            )
        )

    def _ask_statuses(self, sample: Sample) -> None:
        """Ask about words for what became of orders that no list decides."""
        section = self._settings.section("interactions")
        read = set(map(canonical, section.named() if section else ()))
        for index, rows in sample.counts.items():
            heading = sample.header[index]
            column = statuses.column(heading) or statuses.Column()
            undecided = statuses.sorted_out(column, rows).undecided
            if not undecided or canonical(heading) in read:
                continue
            words = {word: count for word, count in undecided.items() if word}
            if not words:
                continue
            self._questions.append(
                Question(
                    id=f"status.{heading}",
                    text=f"Were orders sold whose {heading} is {Text.some_of(list(words), _SHOWN)}?",
                    choices={"sold": "they count as purchases", "not": "their rows are left out"},
                    default="sold",
                    evidence=statuses.listed(words),
                    settings={"not": {"interactions": {"skip": {heading: [*words]}}}},
                )
            )

    def _ask_ids(self, sales: _Sales) -> None:
        """Ask whether ids that are personal data may be used, where there are no others."""
        table, index = sales.user
        sample = self._tables[table]
        what = personal.kind_of(sample.column(index))
        if not what:
            return
        heading = sample.header[index]
        self._questions.append(
            Question(
                id="personal",
                text=f"The only ids of users are {what} ({heading}). May they be used as they are?",
                choices={
                    "keep": f"users are known by their {what}, which then stand in files and reports",
                    "leave_out": "these users are left out, so nothing is imported",
                },
                ends={
                    "leave_out": f"without {heading}, {table} names no users: export it with a customer number, and "
                    "start again"
                },
                default=None,
                evidence=f"no other column of {table} names users in at least half of its rows",
            )
        )

    def _currency(self, sales: _Sales) -> str | None:
        """Return the currency of the sales, and ask which one counts if there are several."""
        for table in sales.tables:
            sample = self._tables[table]
            for index, heading in enumerate(sample.header):
                if plain(heading) not in _CURRENCY:
                    continue
                counts = Counter(cell.strip() for cell in sample.column(index) if cell.strip())
                if len(counts) > 1:
                    self._ask_currency(heading, counts)
                    return None
                if counts:
                    return next(iter(counts))
        return None

    def _ask_currency(self, heading: str, counts: Counter[str]) -> None:
        most = [name for name, _ in counts.most_common(_SHOWN)]
        choices = {name: f"only sales in {name} count; the others are left out" for name in most}
        skip = {
            name: {"interactions": {"skip": {heading: [other for other in counts if other != name]}}} for name in most
        }
        self._questions.append(
            Question(
                id="currency",
                text=f"The sales are in {counted(len(counts), 'currency', 'currencies')}. Which count?",
                choices={**choices, "all": "all of them; prices of items stay as they are, in several currencies"},
                default="all",
                evidence=", ".join(
                    f"{counted(rows, 'row')} of those looked at in {name}" for name, rows in counts.most_common(_SHOWN)
                ),
                settings=skip,
            )
        )

    def _leave_out_rest(self, sales: _Sales) -> None:
        for table in sales.tables:
            sample = self._tables[table]
            private = self._personal(sample, sales.user[1] if table == sales.user[0] else -1)
            private = [heading for heading in private if heading not in self._names_of_items(sample)]
            if private:
                self._left_out.append(LeftOut(table, tuple(private), "personal data, which no recommendation needs"))
        for name, sample in self._tables.items():
            if name not in self._used:
                self._left_out.append(LeftOut(name, (), self._why_unused(name, sales), sample.read))

    @staticmethod
    def _names_of_items(sample: Sample) -> set[str]:
        return {heading for heading in sample.header if plain(heading) in _NAMES}

    def _why_unused(self, name: str, sales: _Sales) -> str:
        kind, header = self._kinds[name], self._tables[name].header
        refers = [relation for relation in self._relations.of(name) if relation.other in self._used]
        if refers and not {"USER_ID", "ITEM_ID"} <= self._roles[name].keys():
            return f"its {header[refers[0].column]} refers to {refers[0].other}, and no recommendation needs the rest"
        for relation in self._relations.broken:
            if name == relation.other or (name == relation.table and relation.other in sales.tables):
                return f"it fits nothing: only {relation.because}. Is it of another shop?"
        if kind == "interactions":
            return f"it has interactions, as {sales.table} has: drop it by itself, or add its rows to that file"
        if kind is not None:
            return f"it has {kind}, and no column of it has the ids of {', '.join(sales.tables)}"
        return f"nothing in it ({Text.some_of(header, _SHOWN)}) belongs to users, items or sales"


_NAMES = frozenset({"name", "title", "productname", "itemname", "lineitemname", "itemsitemname", "menuitem", "arktx",
                    "bezeichnung", "상품명", "product", "item", "description"})  # fmt: skip
"""Columns of sales that have items' names."""


def _time_column(sample: Sample) -> int | None:
    """Return the column of dates that tells when something was bought, where no usual name does."""
    candidates = []
    for index, heading in enumerate(sample.header):
        name, cells = heading.casefold(), [cell for cell in sample.column(index) if cell.strip()][:_LOOKED_AT]
        if (
            not _nameable([heading])
            or _LATER.search(name)
            or sample.filled(index) < _REPEATED
            or any(map(values.is_number, cells[:3]))
        ):
            continue
        if cells and not values.times(cells).problem:
            candidates.append((_BOUGHT.search(name) is None, index))
    return min(candidates)[1] if candidates else None


def _nameable(header: Iterable[str]) -> list[str]:
    """Return the columns that settings can name, each once."""
    names = {heading.strip().casefold(): heading for heading in reversed([*header])}
    return [heading for name, heading in reversed(names.items()) if 0 < len(name) <= _LONGEST]


def _day(cell: str, form: str) -> str:
    day = values.read(cell.strip(), form)
    return f"{day.day} {day:%B %Y}" if day else "no date"
