# SPDX-License-Identifier: Apache-2.0
"""The engine as a library: import tables, train models and answer from them, without a server.

Importing it needs nothing but the standard library. What a name needs is imported when it is first used: `import_table`
and erasures from tables need polars, `train` needs numpy and scipy, models and answers need numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from personalize_local.data.records import Counted, PutRecord, Since, StreamedEvent
    from personalize_local.filters import Filter
    from personalize_local.library.answering import Changes, Data, Live, Recommender, open_tables
    from personalize_local.library.batches import Batch, Meanwhile, check_batch
    from personalize_local.library.checks import check_dataset, check_schema, check_solution, columns
    from personalize_local.library.erasures import without_users
    from personalize_local.library.filters import check_filter
    from personalize_local.library.folders import FORMAT
    from personalize_local.library.forecasts import Needs, needs
    from personalize_local.library.models import Model, open_model
    from personalize_local.library.refusals import DAMAGED, FAILED, NEWER, Refused
    from personalize_local.library.tables import Imported, import_table, open_table
    from personalize_local.library.trainings import Options, Outcome, train

__all__ = [
    "DAMAGED",
    "FAILED",
    "FORMAT",
    "NEWER",
    "Batch",
    "Changes",
    "Counted",
    "Data",
    "Filter",
    "Imported",
    "Live",
    "Meanwhile",
    "Model",
    "Needs",
    "Options",
    "Outcome",
    "PutRecord",
    "Recommender",
    "Refused",
    "Since",
    "StreamedEvent",
    "check_batch",
    "check_dataset",
    "check_filter",
    "check_schema",
    "check_solution",
    "columns",
    "import_table",
    "needs",
    "open_model",
    "open_table",
    "open_tables",
    "train",
    "without_users",
]
_MODULES: Final = {
    "data.records": ("Counted", "PutRecord", "Since", "StreamedEvent"),
    "filters": ("Filter",),
    "library.answering": ("Changes", "Data", "Live", "Recommender", "open_tables"),
    "library.checks": ("check_dataset", "check_schema", "check_solution", "columns"),
    "library.batches": ("Batch", "Meanwhile", "check_batch"),
    "library.erasures": ("without_users",),
    "library.filters": ("check_filter",),
    "library.folders": ("FORMAT",),
    "library.models": ("Model", "open_model"),
    "library.forecasts": ("Needs", "needs"),
    "library.refusals": ("DAMAGED", "FAILED", "NEWER", "Refused"),
    "library.tables": ("Imported", "import_table", "open_table"),
    "library.trainings": ("Options", "Outcome", "train"),
}
_HOME: Final = {name: f"personalize_local.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of any type
    """Import a name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value
