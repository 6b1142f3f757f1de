# SPDX-License-Identifier: Apache-2.0
"""A test on held-out time: which days are held out of what, and what the machine and its functions say about it.

A shop's data are exported and cut in two. What came up to the cut-off is imported into a dataset group of its own,
which nothing serves from and no event streams into, and the shop's recipes are trained on it. Then lists are asked for
users who went on to buy after the cut-off, and held against what they bought; `heldout_judging` says what follows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from personalization.core.names import Named, Names
from personalization.ingest import plan as imports
from personalization.shop.gates import HeldOut
from personalization.shop.keys import DataKind
from personalization.shop.plan import (
    Dataset,
    DatasetGroup,
    Evaluation,
    EventTracker,
    ImportJob,
    Made,
    Part,
    Plan,
    RecipePart,
    Resource,
    SchemaPart,
)
from personalization.shop.schema import Schema
from personalization.shop.settings import RecipeAlias

LISTED = 25
"""Items of each list that is asked for."""
CANDIDATES = 100
"""The most popular items, which a ranking is asked to put in order."""
DAY = 86_400
EXAM = "exam.json"
"""The file of what the asked users went on to have, among those of an attempt."""


class Source(Part):
    """A dataset of the shop, and the job that exports it."""

    kind: DataKind
    dataset_arn: str
    job: Resource
    location: str
    """The folder that is exported to, as s3://…/."""


class Question(Part):
    """A recipe that is tested, and the job that asks it for lists."""

    recipe: RecipePart
    job: Resource
    source: str
    """The file of questions, as s3://…."""
    target: str
    """The folder of answers, as s3://…/."""


class Trial(Part):
    """One attempt at a test: all that it makes, by name."""

    run: str
    shop: str
    attempt: str
    """Names whatever belongs to this attempt, so that a second one finds nothing of the first."""
    event_type: str
    held_out: HeldOut
    sources: tuple[Source, ...]
    imports: tuple[Plan, ...]
    """The import of each dataset, as for any run; interactions first."""
    questions: tuple[Question, ...]
    asked: dict[str, object]
    """What was asked for, as the report keeps it: a test of the same is not made again."""
    until: int = Field(default=0, exclude_if=lambda value: not value)
    """Seconds since 1970: what is of later is left out. 0 where nobody says when the run's work began."""

    def key(self, file: str) -> str:
        """The key of a file of this attempt."""
        return f"{folder(self.shop, self.attempt)}{file}"


class Split(Part):
    """What came of cutting the history in two."""

    enough: bool
    reason: str
    """Why there is not enough to test on; empty where there is."""
    cut_off: int
    """Seconds since 1970: what came later is held out."""
    rows: int
    """Interactions up to the cut-off."""
    held_out_rows: int
    event_type: str
    """What a user is expected to have had; empty where any interaction counts."""
    shoppers: int
    """Users who are asked about."""
    new_shoppers: int
    """Held-out users of the sample without anything before the cut-off; nobody can know what they want."""
    digest: str
    """SHA-256 of the file of interactions that is imported."""


class Imported(Part):
    """What a second look at the imported interactions found."""

    rows: int
    last: int
    """Seconds of the latest one."""
    digest: str
    files: int
    bought_again: float
    """Share of what the asked users went on to buy that they had had before the cut-off."""


class RecipeResult(Part):
    """How a recipe did beside popularity, for the same users."""

    alias: str
    decision: Literal["approved", "refused", "unjudged"]
    reason: str


class Result(Part):
    """What a test gave, in short: the machine hands it on to the judging."""

    outcome: Literal["notAsked", "judged", "tooLittle", "leaked"]
    reason: str = ""
    recipes: tuple[RecipeResult, ...] = ()
    report: str = ""
    """The key of the whole report."""


class Planned(Part):
    """What is to be done about a test: a trial, or nothing, because a run with the same data has made it."""

    trial: Trial | None = None
    before: Result | None = None


class TrialRequest(Part):
    """The step that plans a test."""

    step: Literal["plan"]
    evaluation: Evaluation
    attempt: str


class ClearRequest(Part):
    """The step that removes what is left of a test, one look at a time."""

    step: Literal["clear"]
    shop: str


class ExportRequest(Part):
    """The step that starts the export of a dataset."""

    step: Literal["export"]
    source: Source
    made: Made = Made()


class AskRequest(Part):
    """The step that asks a solution version for lists."""

    step: Literal["ask"]
    question: Question
    solution_version_arn: str
    made: Made = Made()


class MeasureRequest(Part):
    """The step that holds the lists against what was bought."""

    step: Literal["measure"]
    trial: Trial
    split: Split
    imported: Imported


class UntestedRequest(Part):
    """The step that reports that there is too little to test on."""

    step: Literal["untested"]
    trial: Trial
    split: Split


class SplitRequest(Part):
    """The step that cuts the exported history in two."""

    step: Literal["split"]
    trial: Trial


class VerifyRequest(Part):
    """The step that reads again what was imported."""

    step: Literal["verify"]
    trial: Trial


def label(shop: str) -> str:
    """What stands for the shop in the names of its test; no shop can be called so, and it begins the name.

    So the rights of the function that removes a test can end where tests end.
    """
    return f"heldout_{shop}"


def folder(shop: str, attempt: str) -> str:
    """The folder of the bucket that an attempt's files are in, with its slash."""
    return f"evaluations/{shop}/{attempt}/"


def report_key(shop: str, run: str) -> str:
    """The key of a test's report."""
    return f"reports/{shop}/{run}/heldout.json"


def plan(names: Names, bucket: str, evaluation: Evaluation, attempt: str, schemas: Mapping[DataKind, Schema]) -> Trial:
    """Everything that an attempt will make, by name.

    Args:
        names: what this deployment calls its resources.
        bucket: the drop bucket.
        evaluation: what is to be tested.
        attempt: a name that no other attempt has.
        schemas: those of the shop's datasets that are there, interactions among them.
    """
    kinds = sorted(schemas, key=("interactions", "items", "users").index)
    place = f"s3://{bucket}/{folder(evaluation.shop, attempt)}"
    group = names.dataset_group(label(evaluation.shop))
    whole = DatasetGroup(name=group.name, arn=group.arn, domain=evaluation.domain)
    return Trial(
        run=evaluation.run,
        shop=evaluation.shop,
        attempt=attempt,
        event_type=evaluation.event_type,
        held_out=evaluation.held_out,
        sources=tuple(_source(names, evaluation.shop, attempt, kind, place) for kind in kinds),
        imports=tuple(_import(names, evaluation, attempt, schemas[kind], whole, place) for kind in kinds),
        questions=tuple(_question(names, evaluation, attempt, alias, place) for alias in evaluation.recipes),
        asked=asked(evaluation),
        until=int(datetime.fromisoformat(evaluation.begun_at).timestamp()) if evaluation.begun_at else 0,
    )


def asked(evaluation: Evaluation) -> dict[str, object]:
    """What of an evaluation decides its result, beside the data."""
    return evaluation.model_dump(mode="json", include={"event_type", "recipes", "held_out", "generation"})


def _source(names: Names, shop: str, attempt: str, kind: DataKind, place: str) -> Source:
    return Source(
        kind=kind,
        dataset_arn=names.dataset(shop, kind).arn,
        job=_resource(names.export_job(label(shop), kind, attempt)),
        location=f"{place}export/{kind}/",
    )


def _import(
    names: Names, evaluation: Evaluation, attempt: str, schema: Schema, group: DatasetGroup, place: str
) -> Plan:
    kind, shop = schema.kind, label(evaluation.shop)
    dataset = names.dataset(shop, kind)
    named = names.schema(kind, schema.digest(evaluation.domain))
    job = names.import_job(shop, kind, attempt)
    return Plan(
        run=evaluation.run,
        shop=shop,
        kind=kind,
        mode="FULL",
        dataset_group=group,
        dataset=Dataset.model_validate({"name": dataset.name, "arn": dataset.arn, "type": kind.upper()}),
        schema_=SchemaPart(name=named.name, arn=named.arn, kind=kind, text=schema.text(), domain=evaluation.domain),
        event_tracker=EventTracker(name=names.event_tracker(shop)),
        import_job=ImportJob(name=job.name, arn=job.arn, mode="FULL", data_location=f"{place}import/{kind}/"),
        filters=(),
        recipes=(),
        rows=0,
        notes=(),
    )


def _question(names: Names, evaluation: Evaluation, attempt: str, alias: RecipeAlias, place: str) -> Question:
    shop = evaluation.shop
    (recipe,) = imports.recipes(names, label(shop), imports.Lineage(attempt), [alias], generation=evaluation.generation)
    return Question(
        recipe=recipe,
        job=_resource(names.lists_job(label(shop), alias, attempt)),
        source=f"{place}ask/{alias}.json",
        target=f"{place}answers/{alias}/",
    )


def _resource(named: Named) -> Resource:
    return Resource(name=named.name, arn=named.arn)
