# SPDX-License-Identifier: Apache-2.0
"""Trainings: from tables, and from what was streamed since, to a model's folder."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from personalize_local import __version__
from personalize_local.data.composing import compose
from personalize_local.data.event_columns import EventColumns
from personalize_local.data.records import Since, StreamedEvent, to_json
from personalize_local.data.schemas import Field, Schema, as_items
from personalize_local.data.snapshots import Snapshot
from personalize_local.data.tables import Table, Tables, empty
from personalize_local.library import folders
from personalize_local.library.checks import schema_of
from personalize_local.library.forecasts import refuse_beyond
from personalize_local.library.refusals import refusing
from personalize_local.library.tables import open_table
from personalize_local.recipes.base import Model
from personalize_local.recipes.common import processes
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.solutions import configs
from personalize_local.solutions.searches import candidates

_READ_TOGETHER: Final = 10_000
"""Events that are objects at once."""
_NO_INTERACTIONS: Final = Schema(
    "INTERACTIONS", (Field("USER_ID", "string"), Field("ITEM_ID", "string"), Field("TIMESTAMP", "long"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a training goes; the defaults are those of the service."""

    schemas: Mapping[str, str] = field(default_factory=dict)
    """Texts of schemas by dataset type: of datasets without a table, and those that are newer than their table."""
    tier: str = "standard"
    """`fast`, `standard`, `auto` or `deep`, for solutions that set no hyperparameter `tier`."""
    minimum_interactions: int = 1000
    minimum_users: int = 25
    """With two interactions each."""
    memory: int = 0
    """Bytes that there are: a training that is expected to take more is refused before it begins. 0: no bound."""
    processes: int = 1
    """At most, with this one: helpers are forks, on Linux only. 0: as many as there are processors, up to 4."""
    enter: Callable[[str], None] = lambda _phase: None
    """Called at the beginning of each phase, with words for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a training told."""

    recipe: str
    """The recipe's name; with `performAutoML` that of the best one."""
    metrics: Mapping[str, float]
    """GetSolutionMetrics' map, measured on users that were held out."""
    popularity: Mapping[str, float]
    """The same of the same popular items for everybody; empty where the recipe recommends no items."""
    tuned: Mapping[str, str] | None
    """The hyperparameters that a search chose; None without one."""
    seconds: float
    """By the clock; a repetition tells those of the training."""


def train(
    tables: Mapping[str, Path],
    solution: Mapping[str, Any],
    target: Path,
    *,
    since: Since = Since(),  # noqa: B008 - it cannot be changed
    notes: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    options: Options | None = None,
) -> Outcome:
    """Train a solution, and write the model into the folder `target`, which appears as a whole or not at all.

    `tables`: folders of `import_table` by dataset type: INTERACTIONS, USERS, ITEMS, ACTIONS, ACTION_INTERACTIONS.
    `solution`: members of CreateSolution, which are checked as it checks them; `columns`, those that USERS and ITEMS
    had when the solution was made, keeps newer ones out. `since`: what was streamed and put and is not in the tables,
    in the order of arrival; of equal event ids the first counts, of records the last. Events may be an iterator: they
    are read once, and never held as objects together. `notes`: JSON that the model keeps for those who answer, or a
    function that tells it once the events are read. The same training into the same folder is not done again.

    Needs scipy, not polars. Raises Refused: the API's codes for the solution, FAILED with the failureReason for the
    data, DAMAGED and NEWER for tables.
    """
    options = options or Options()
    with refusing():
        data = _Data.of(tables, options)
        configs.check_solution(solution, data.schemas)
        spec = candidates(solution)[0]
        configs.check_datasets(spec, data.schemas, solution.get("datasetGroupArn", "The dataset group"))
        group = data.group(spec)
        events = _columns(since.events, group, spec, options.memory)
        noted = dict((notes() if callable(notes) else notes) or {})
        facts = {"data": data.marks, "solution": dict(solution), "notes": noted}
        inputs = folders.digest([__version__, facts, events.digest(), _put(since), _settings(options)])
        outcome = folders.finished(target, "model", inputs)
        if outcome is None:
            _refuse_beyond(options.memory, spec, group, events)
            began = time.monotonic()
            options.enter("Reading the data")
            snapshot = compose(group, events, since.users, since.items, texts=spec.family == "semantic")
            del events  # the snapshot has them
            outcome, model = _trained(snapshot, spec, data.config(solution, options), options, began)
            options.enter("Saving the model")
            with folders.written(target, "model", {"inputs": inputs, **facts, **outcome}) as fresh:
                model.save(fresh)
    return Outcome(**{name: outcome[name] for name in ("recipe", "metrics", "popularity", "tuned", "seconds")})


@dataclass(frozen=True, slots=True)
class _Data:
    tables: Mapping[str, Table]
    schemas: Mapping[str, Schema]
    marks: Mapping[str, str]
    """Of what is in the tables."""

    @classmethod
    def of(cls, folders_of_tables: Mapping[str, Path], options: Options) -> "_Data":
        newer = {kind: as_items(schema_of(text)) for kind, text in options.schemas.items()}
        tables = {kind: open_table(folder) for kind, folder in folders_of_tables.items()}
        tables = {kind: replace(table, schema=newer.get(kind, table.schema)) for kind, table in tables.items()}
        schemas = {kind: table.schema for kind, table in tables.items()} | newer
        marks = {
            kind: folders.digest(folders.checked(folder, "table", partial=True)["files"])
            for kind, folder in folders_of_tables.items()
        }
        return cls(tables, schemas, marks)

    def group(self, spec: RecipeSpec) -> Tables:
        """Return the tables that a recipe learns from."""
        actions = spec.recipe_type == "PERSONALIZED_ACTIONS"
        interactions, items = ("ACTION_INTERACTIONS", "ACTIONS") if actions else ("INTERACTIONS", "ITEMS")
        history = self._table(interactions) or empty(_NO_INTERACTIONS)
        return Tables(history, self._table("USERS"), self._table(items))

    def _table(self, kind: str) -> Table | None:
        return self.tables.get(kind) or (empty(self.schemas[kind]) if kind in self.schemas else None)

    def config(self, solution: Mapping[str, Any], options: Options) -> TrainingConfig:
        minimums = (options.minimum_interactions, options.minimum_users)
        present = solution.get("columns")
        return configs.config_of(solution, self.schemas, tier=options.tier, minimums=minimums, present=present)


def _columns(events: Iterable[StreamedEvent], group: Tables, spec: RecipeSpec, memory: int) -> EventColumns:
    """Read events, no further than `memory` is enough for."""
    columns, rest = EventColumns(group.interactions.schema), iter(events)
    while part := list(islice(rest, _READ_TOGETHER)):
        columns.add(part)
        if len(part) == _READ_TOGETHER:
            _refuse_beyond(memory, spec, group, columns)
    return columns


def _refuse_beyond(memory: int, spec: RecipeSpec, group: Tables, events: EventColumns) -> None:
    if memory:
        rows, items = group.interactions.facts["rows"] + len(events), group.interactions.count("history.items")
        refuse_beyond(memory, spec.name, rows, len(events), max(items, len(events.items)))


def _trained(
    snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig, options: Options, began: float
) -> tuple[Mapping[str, Any], Model]:
    from personalize_local.recipes import training  # noqa: PLC0415 - it needs scipy

    processes.allow(options.processes)
    try:
        trained = training.train(spec.name, snapshot, config, enter=options.enter)
    finally:
        processes.allow(1)
    outcome = {
        "recipe": trained.recipe or spec.name,
        "metrics": trained.metrics,
        "popularity": trained.popularity,
        "tuned": None if trained.tuned is None else dict(trained.tuned),
        "seconds": round(time.monotonic() - began, 3),
    }
    return outcome, trained.model


def _put(since: Since) -> str:
    """Return a digest; all of it as one document would take more memory than the training."""
    seen = hashlib.sha256()
    for records in (since.users, since.items):
        for record in records:
            seen.update(f"{to_json(record)}\n".encode())
        seen.update(b"\n")
    return seen.hexdigest()


def _settings(options: Options) -> list[object]:
    return [dict(options.schemas), options.tier, options.minimum_interactions, options.minimum_users]
