# SPDX-License-Identifier: Apache-2.0
"""Check what a shop's settings say of its trainings against its data, before anything is imported or paid for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from table_intake import DataKind
from table_intake.check.findings import MINIMUM_INTERACTIONS, Findings
from table_intake.columns.schema import RETURN, Schema, required
from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.ingest import report
from personalization.personalize import ensure
from personalization.shop.plan import PrepareRequest
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

VALUE = "EVENT_VALUE"
NUMERIC = ("number", "whole number")
"""Kinds of columns in reports."""
Document = Mapping[str, Any]
_KINDS: tuple[DataKind, ...] = ("items", "users")


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of the data of a kind: the dataset's schema, and the report on the last file or this run's."""

    schema: Schema | None = None
    report: Document | None = None

    @property
    def columns(self) -> dict[str, bool]:
        """Whether each column has numbers, by its name; empty where there are no data."""
        of_schema = {column.name: column.numeric for column in (self.schema.columns if self.schema else ())}
        return of_schema | {column["name"]: column["kind"] in NUMERIC for column in self._reported}

    def only_value(self, name: str) -> float | None:
        """Return the number that all rows of the last file have in a column; None if they differ, or are unknown."""
        spread = next((column.get("range") for column in self._reported if column["name"] == name), None)
        return spread["minimum"] if spread and spread["minimum"] == spread["maximum"] else None

    @property
    def _reported(self) -> Sequence[Document]:
        return self.report.get("columns") or () if self.report else ()


Tables = dict[DataKind, Table]


def tables(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, shop: str, request: PrepareRequest
) -> Tables:
    """Return what is known of a shop's users and items: of their datasets, and of what the run imports before."""
    made: Tables = {}
    for kind in _KINDS:
        runs = (request.run, *request.ids.get(kind, ())[:1])
        keys = (f"{report.key(shop, run, kind, 0)}.json" for run in runs)
        reports = (told for key in keys if (told := objects.get_json(s3, request.bucket, key)))
        schema = ensure.dataset_schema(personalize, kind, names.dataset(shop, kind).arn)
        made[kind] = Table(schema, next(reports, None))
    return made


def check_columns(resource: str, settings: ShopSettings, tables: Tables) -> None:
    """Check that the columns that the settings name are there, as CreateSolution does after the import.

    Args:
        resource: the drop, or the shop, for messages.
        settings, tables: the shop's.

    Raises:
        Rejected: a column is missing, or cannot be what the settings say.
    """
    problems: dict[str, Text] = {}
    for alias in settings.trained:
        config = settings.solution_members(alias).get("solutionConfig", {})
        for chosen in config.get("trainingDataConfig", {}).values():
            for name, columns in chosen.items():
                if (kind := name.lower()) in tables:
                    problems |= {text: text for text in _missing(kind, columns, tables[kind])}
        if objective := config.get("optimizationObjective"):
            texts = _objective(objective["itemAttribute"], settings, tables.get("items", Table()))
            problems |= {text: text for text in texts}
    if problems:
        raise Rejected(resource, Text.joined("; ", problems.values()))


def _missing(kind: DataKind, columns: Sequence[str], table: Table) -> Iterator[Text]:
    if not table.columns:
        text = f"the setting training names columns of {kind}, which the shop does not have: drop {kind} first"
        yield Text(f"training.no-{kind}", text)
    elif absent := [column for column in columns if column not in table.columns]:
        text = f"the setting training names columns that the {kind} don't have: {{absent}}; they have {{columns}}"
        names = Text.some_of(list(table.columns), 12)
        yield Text(f"training.absent-{kind}", text, absent=", ".join(absent), columns=names)


def _objective(name: str, settings: ShopSettings, items: Table) -> Iterator[Text]:
    """Yield why a column of items cannot be the objective."""
    if name not in items.columns:
        text = "the objective {column} is not a column of the shop's items: drop items that have it first"
        yield Text("training.objective-missing", text, column=name)
    elif not items.columns[name]:
        text = "the objective {column} is text, and Personalize takes a number"
        yield Text("training.objective-text", text, column=name)
    elif name not in {column.name for column in required("items", settings.personalize_domain)}:
        text = (
            "the objective {column} may be empty in an item, and Personalize takes a column that never is: of a shop "
            "with domain: ecommerce, that is PRICE"
        )
        yield Text("training.objective-empty", text, column=name)
    elif (value := items.only_value(name)) is not None:
        text = "the objective {column} is {value:g} in every item, so it could change nothing: leave it out"
        yield Text("training.objective-constant", text, column=name, value=value)


def check_events(resource: str, settings: ShopSettings, schema: Schema, findings: Findings | None) -> list[Text]:
    """Check that events train which the settings choose, and that columns of them that they name are there.

    Args:
        resource: the drop, or the shop, for messages.
        settings: the shop's.
        schema: that of the interactions.
        findings: those of a whole history; None for a part of one, whose rest is not looked at.

    Returns:
        Notes on types that the settings name and the history lacks, and on types that do not train.

    Raises:
        Rejected: too few events would train, there is a threshold without values, or a column is missing.
    """
    notes: dict[str, Text] = {}
    table, problems = Table(schema), list[Text]()
    counts = findings.event_types if findings else {}
    for alias in settings.trained:
        data_config = settings.solution_members(alias).get("solutionConfig", {}).get("trainingDataConfig", {})
        for chosen in data_config.values():
            problems += _missing("interactions", chosen.get("Interactions", ()), table)
        if problems:
            raise Rejected(resource, Text.joined("; ", problems))
        weights, thresholds = _chosen(settings, alias)
        if thresholds and not _has_values(schema, findings):
            text = "the settings have a threshold for {types}, and the interactions have no {column}: leave it out"
            raise Rejected(resource, Text("training.no-values", text, types=Text.all_of(thresholds), column=VALUE))
        if not weights or not counts:
            continue
        rows = {name: sum(rows for told, rows in counts.items() if told.lower() == name.lower()) for name in weights}
        left = sum(rows[name] for name, weight in weights.items() if weight)
        if left < MINIMUM_INTERACTIONS:
            text = (
                "{recipe} would train on {rows:,} interactions, those of type {types}, and Personalize needs "
                "{needed:,}; the file has {others}"
            )
            values = {"types": Text.any_of([name for name, weight in weights.items() if weight]), "rows": left}
            others = Text.some_of([f"{name} ({rows:,})" for name, rows in counts.items()], 10)
            few = Text("training.few-events", text, recipe=alias, needed=MINIMUM_INTERACTIONS, others=others, **values)
            raise Rejected(resource, few)
        for note in _notes(rows, counts):
            notes.setdefault(note, note)
    return list(notes.values())


def _chosen(settings: ShopSettings, alias: str) -> tuple[dict[str, float], list[str]]:
    """Return the weights of the types that train a recipe, none if all do, and the types with a threshold."""
    members = settings.solution_members(alias)
    config = members.get("solutionConfig", {})
    events = config.get("eventsConfig", {}).get("eventParametersList", [])
    weights = {event["eventType"]: event["weight"] for event in events}
    thresholds = [event["eventType"] for event in events if "eventValueThreshold" in event]
    if kind := members.get("eventType"):
        weights[kind] = 1.0
        thresholds += [kind] if "eventValueThreshold" in config else []
    return weights, thresholds


def _has_values(schema: Schema, findings: Findings | None) -> bool:
    if VALUE not in schema.names():
        return False
    filled = [told.cells for told in findings.columns if told.column.name == VALUE] if findings else []
    return not filled or filled[0] > 0


def _notes(rows: Mapping[str, int], counts: Mapping[str, int]) -> Iterator[Text]:
    """Yield notes on types that the history lacks, and on those that the settings leave out."""
    if lacking := [name for name, have in rows.items() if not have]:
        text = "the settings name events of type {types}, and the file has none"
        yield Text("note.events-lacking", text, types=Text.all_of(lacking))
    named = {name.lower() for name in rows} | {RETURN.lower()}
    if others := [f"{name} ({have:,})" for name, have in counts.items() if name.lower() not in named]:
        text = "events of other types than {types} do not train: {others}"
        yield Text("note.events-left-out", text, types=Text.all_of(list(rows)), others=Text.some_of(others, 10))
