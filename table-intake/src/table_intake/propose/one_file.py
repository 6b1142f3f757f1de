# SPDX-License-Identifier: Apache-2.0
"""How one file of an export is read, of which other files tell some columns already."""

from collections.abc import Mapping
from dataclasses import replace

from table_intake.columns.header import canonical
from table_intake.kinds import DataKind
from table_intake.propose.asking import ask_dates
from table_intake.propose.proposal import Proposal
from table_intake.propose.propose import ELSEWHERE, propose_for
from table_intake.propose.questions import Document, Question, merged
from table_intake.propose.samples import Ids, Sample
from table_intake.settings.tables import TableSettings


def read_as(
    settings: TableSettings, sample: Sample, kind: DataKind, columns: Mapping[str, str], ids: Ids
) -> tuple[Document, list[str], list[Question]]:
    """Return settings with the section of users or items for a table, sentences about it, and what only the shop knows.

    Args:
        settings: what the shop has set.
        sample: of the table.
        kind: of data.
        columns: Personalize's names of some columns of the table.
        ids: of the interactions.
    """
    needed = {heading: ours for heading, ours in columns.items() if canonical(heading) != ours}
    proposal, remarks = proposed(settings, sample, kind, needed, ids)
    return {kind: {}, **proposal.document()}, remarks, ask_dates(kind, proposal, sample)


def proposed(
    settings: TableSettings, sample: Sample, kind: DataKind, columns: Mapping[str, str], ids: Ids
) -> tuple[Proposal, list[str]]:
    """Return the settings of a kind for a table, and remarks that no question and no other sentence tells; see
    `read_as`."""
    settings = with_columns(settings, columns, kind)
    proposal = propose_for(sample, settings, kind, ids)
    remarks = list[str](remark for remark in proposal.remarks if remark.code not in ELSEWHERE)
    return replace(proposal, section=proposal.section or settings.own_file_settings(kind)), remarks


def with_columns(settings: TableSettings, columns: Mapping[str, str], kind: DataKind) -> TableSettings:
    """Return the settings of the shop, with the meaning of some columns of a kind."""
    document = settings.model_dump(
        mode="json", exclude_unset=True, include={*TableSettings.model_fields}, exclude={"export"}
    )
    return TableSettings.model_validate(merged(document, {kind: {"columns": dict(columns)}} if columns else {}))
