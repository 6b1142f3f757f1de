# SPDX-License-Identifier: Apache-2.0
"""Read a retailer's tables whatever their format, and check every row before anybody imports it.

These are the doors. Each is loaded when it is first used: readers need polars, and most callers need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from table_intake.errors import Incomplete as Incomplete
from table_intake.errors import IntakeError as IntakeError
from table_intake.errors import Refused as Refused
from table_intake.hashing import hash_id as hash_id
from table_intake.kinds import EVENTS as EVENTS
from table_intake.kinds import OF_ACTIONS as OF_ACTIONS
from table_intake.kinds import DataKind as DataKind
from table_intake.kinds import Mode as Mode

if TYPE_CHECKING:
    from table_intake.check.checking import Checked as Checked
    from table_intake.check.checking import check_table as check_table
    from table_intake.check.findings import Expected as Expected
    from table_intake.check.findings import problems as problems
    from table_intake.columns.header import Layout as Layout
    from table_intake.join.joining import Joined as Joined
    from table_intake.join.joining import join_tables as join_tables
    from table_intake.propose.export import propose_export as propose_export
    from table_intake.propose.judgement import judge as judge
    from table_intake.propose.proposal import Proposal as Proposal
    from table_intake.propose.propose import propose_settings as propose_settings
    from table_intake.propose.questions import ExportProposal as ExportProposal
    from table_intake.propose.questions import LeftOut as LeftOut
    from table_intake.propose.questions import Question as Question
    from table_intake.propose.samples import Sample as Sample
    from table_intake.propose.samples import sample_table as sample_table
    from table_intake.propose.together import propose_together as propose_together
    from table_intake.read.opening import list_tables as list_tables
    from table_intake.read.opening import open_file as open_file
    from table_intake.read.opening import open_table as open_table
    from table_intake.settings.exports import ExportSettings as ExportSettings
    from table_intake.settings.files import FileSettings as FileSettings
    from table_intake.settings.tables import TableSettings as TableSettings
    from table_intake.table import Table as Table

_DOORS = {
    "open_table": "read.opening",
    "open_file": "read.opening",
    "list_tables": "read.opening",
    "check_table": "check.checking",
    "Checked": "check.checking",
    "Expected": "check.findings",
    "problems": "check.findings",
    "Layout": "columns.header",
    "Proposal": "propose.proposal",
    "Sample": "propose.samples",
    "judge": "propose.judgement",
    "propose_settings": "propose.propose",
    "propose_export": "propose.export",
    "ExportProposal": "propose.questions",
    "Question": "propose.questions",
    "LeftOut": "propose.questions",
    "join_tables": "join.joining",
    "Joined": "join.joining",
    "ExportSettings": "settings.exports",
    "propose_together": "propose.together",
    "sample_table": "propose.samples",
    "TableSettings": "settings.tables",
    "FileSettings": "settings.files",
    "Table": "table",
}
"""The module of each door."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any door
    if name not in _DOORS:
        raise AttributeError(name)
    return getattr(import_module(f"table_intake.{_DOORS[name]}"), name)
