# SPDX-License-Identifier: Apache-2.0
"""The engine as a library: import tables, train models and answer from them, without a server.

Importing it needs numpy alone: `import_table` and erasures from tables import polars, `train` imports scipy.
"""

from personalize_local.data.composing import Since
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.library.checks import check_schema, check_solution
from personalize_local.library.erasures import without_users
from personalize_local.library.folders import FORMAT
from personalize_local.library.models import Model, open_model
from personalize_local.library.refusals import DAMAGED, FAILED, NEWER, Refused
from personalize_local.library.tables import Imported, import_table, open_table
from personalize_local.library.trainings import Options, Outcome, train

__all__ = [
    "DAMAGED",
    "FAILED",
    "FORMAT",
    "NEWER",
    "Imported",
    "Model",
    "Options",
    "Outcome",
    "PutRecord",
    "Refused",
    "Since",
    "StreamedEvent",
    "check_schema",
    "check_solution",
    "import_table",
    "open_model",
    "open_table",
    "train",
    "without_users",
]
