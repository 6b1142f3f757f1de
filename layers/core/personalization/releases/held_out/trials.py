# SPDX-License-Identifier: Apache-2.0
"""Plan a test on held-out time: its names, files and messages.

The shop's data are exported and cut in two. Data up to the cut-off go into a separate dataset group without serving and
events, and the shop's recipes train on them. Then the recipes give lists for users who bought after the cut-off, and
`judging` compares the lists with these purchases.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from operator import eq, not_
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from table_intake import DataKind
from table_intake.columns.schema import Schema

from personalization.core import stored
from personalization.core.messages import Part, of_this_version
from personalization.core.names import Named, Names
from personalization.ingest import imports
from personalization.shop.plan import (
    Dataset,
    DatasetGroup,
    Evaluation,
    EventTracker,
    ImportJob,
    Made,
    Plan,
    RecipePart,
    Resource,
    SchemaPart,
)
from personalization.shop.settings.gate import HeldOut
from personalization.shop.settings.recipes import RecipeAlias

LISTED = 25
"""Items in each requested list."""
CANDIDATES = 100
"""The most popular items, which a ranking puts in order."""
DAY = 86_400
EXAM = "exam.json"
"""The file of right answers in an attempt's folder."""
PARTS = "parts/"
"""The folder of an attempt for partial results, where a history is read in parts."""


class Source(Part):
    """A dataset of the shop and its export job."""

    kind: DataKind
    dataset_arn: str
    job: Resource
    location: str
    """The target folder, as s3://…/."""


class Question(Part):
    """A tested recipe and its batch job."""

    recipe: RecipePart
    job: Resource
    source: str
    """The file of questions, as s3://…."""
    target: str
    """The folder of answers, as s3://…/."""


class Trial(Part):
    """One attempt at a test: the names of all that it creates."""

    version: int = stored.VERSION
    run: str
    shop: str
    attempt: str
    """A unique name, so that a second attempt finds nothing of the first."""
    event_type: str
    held_out: HeldOut
    sources: tuple[Source, ...]
    imports: tuple[Plan, ...]
    """The import of each dataset; interactions first."""
    questions: tuple[Question, ...]
    parameters: dict[str, object] = Field(validation_alias="asked", serialization_alias="asked")
    """The evaluation as the report keeps it, so that the same test is not repeated."""
    until: int = Field(default=0, exclude_if=not_)
    """Seconds since 1970 when the run's work began: later interactions are left out. 0 if unknown."""

    def key(self, file: str) -> str:
        """Return the key of a file of this attempt."""
        return f"{folder(self.shop, self.attempt)}{file}"


RunTrial = Annotated[Trial, BeforeValidator(of_this_version)]
"""The attempt of a running execution; Rejected if that began before 0.1.0."""


class Split(Part):
    """The result of cutting the history in two."""

    enough: bool
    reason: str
    """Why the history is too short for a test; empty if it is not."""
    cut_off: int
    """Seconds since 1970: later interactions are held out."""
    rows: int
    """Interactions up to the cut-off."""
    held_out_rows: int
    event_type: str
    """The event type to predict; empty if all interactions count."""
    shoppers: int
    """Users in the test."""
    new_shoppers: int
    """Held-out users of the sample without interactions before the cut-off, unknown to any model."""
    digest: str
    """SHA-256 of the imported file of interactions; of several, that of their digests in order."""
    files: int = Field(default=1, exclude_if=partial(eq, 1))
    """The imported files of interactions."""


class Imported(Part):
    """The result of reading the imported interactions again."""

    rows: int
    last: int
    """Seconds since 1970 of the latest one."""
    digest: str
    files: int
    bought_again: float
    """Share of the users' held-out items that they had before the cut-off."""


class Exported(Part):
    """The exported files of a test, and whether one function reads all of them."""

    large: bool
    history: str
    """The key of the list of files of interactions, an `ExportedFile` each."""
    every: str
    """The key of the list of all files."""
    imported: str
    """The key of the list of files of interactions that are imported; it exists once all parts are cut."""
    results: str
    """The folder for what Step Functions writes about the parts."""


class ExportedFile(Part):
    """A part of a test's data: an exported file, a range of a large one, or the import file that was made of either."""

    number: int
    kind: DataKind
    key: str
    begin: int = 0
    end: int = 0
    """Bytes of the file before the range's end; 0 for a whole file."""
    last: bool = True
    """Whether the file ends with the range."""
    header: tuple[str, ...] = ()
    """The file's columns; empty for a whole file."""


class Written(Part):
    """What became of a part."""

    key: str
    """The key of its result; "" if there is none."""


class CutOff(Part):
    cut_off: int
    """Seconds since 1970."""


class RecipeResult(Part):
    """The figures of a recipe and of popularity for the same users."""

    alias: str
    decision: Literal["approved", "refused", "unjudged"]
    reason: str


class Result(Part):
    """The outcome of a test, which the state machine passes to the judging."""

    outcome: Literal["notAsked", "judged", "tooLittle", "leaked"]
    reason: str = ""
    recipes: tuple[RecipeResult, ...] = ()
    report: str = ""
    """The key of the full report."""


class Planned(Part):
    """A planned test, or the result that an earlier run with the same data left."""

    trial: Trial | None = None
    before: Result | None = None


class TrialRequest(Part):
    """Plan a test."""

    step: Literal["plan"]
    evaluation: Evaluation
    attempt: str


class ClearRequest(Part):
    """Remove what is left of a test, one round at a time."""

    step: Literal["clear"]
    shop: str


class ExportRequest(Part):
    """Start the export of a dataset."""

    step: Literal["export"]
    source: Source
    made: Made = Made()


class AskRequest(Part):
    """Ask a solution version for lists."""

    step: Literal["ask"]
    question: Question
    solution_version_arn: str
    made: Made = Made()


class MeasureRequest(Part):
    """Compare the lists with the held-out purchases."""

    step: Literal["measure"]
    trial: RunTrial
    split: Split
    imported: Imported


class UntestedRequest(Part):
    """Report that the history is too short for a test."""

    step: Literal["untested"]
    trial: RunTrial
    split: Split


class _TrialRequest(Part):
    trial: RunTrial


class SplitRequest(_TrialRequest):
    """Cut the exported history in two."""

    step: Literal["split"]


class VerifyRequest(_TrialRequest):
    """Read the imported data again."""

    step: Literal["verify"]


class ListRequest(_TrialRequest):
    """List the exported files."""

    step: Literal["list"]


class LatestRequest(_TrialRequest):
    """Find the latest interaction of a part."""

    step: Literal["latest"]
    part: ExportedFile


class CutOffRequest(_TrialRequest):
    """Find the cut-off, when the latest interaction of each part is known."""

    step: Literal["cutOff"]


class CutRequest(_TrialRequest):
    """Cut a part in two."""

    step: Literal["cut"]
    part: ExportedFile
    cut_off: int


class JoinCutRequest(_TrialRequest):
    """Add up the parts that were cut."""

    step: Literal["joinCut"]
    cut_off: int


class ReadRequest(_TrialRequest):
    """Read what was imported of a part."""

    step: Literal["read"]
    part: ExportedFile


class JoinReadRequest(_TrialRequest):
    """Add up the parts that were read."""

    step: Literal["joinRead"]


class ExplainRequest(_TrialRequest):
    """Fail with the reason of a part that failed."""

    step: Literal["explain"]


def label(shop: str) -> str:
    """Return the prefix that stands for the shop in names of its test; no shop can have this name.

    IAM rights of the function that removes tests end with this prefix.
    """
    return f"heldout_{shop}"


def folder(shop: str, attempt: str) -> str:
    """Return the folder of an attempt's files, with its slash."""
    return f"evaluations/{shop}/{attempt}/"


def report_key(shop: str, run: str) -> str:
    return f"reports/{shop}/{run}/heldout.json"


def plan(names: Names, bucket: str, evaluation: Evaluation, attempt: str, schemas: Mapping[DataKind, Schema]) -> Trial:
    """Plan a test: name everything that the attempt creates.

    Args:
        names, bucket: of this deployment. evaluation: what to test. attempt: a unique name.
        schemas: those of the shop's existing datasets, interactions among them.
    """
    kinds = sorted(schemas, key=("interactions", "items", "users").index)
    base = f"s3://{bucket}/{folder(evaluation.shop, attempt)}"
    group = names.dataset_group(label(evaluation.shop))
    dataset_group = DatasetGroup(name=group.name, arn=group.arn, domain=evaluation.domain)
    return Trial(
        run=evaluation.run,
        shop=evaluation.shop,
        attempt=attempt,
        event_type=evaluation.event_type,
        held_out=evaluation.held_out,
        sources=tuple(_source(names, evaluation.shop, attempt, kind, base) for kind in kinds),
        imports=tuple(
            _import(names, evaluation, attempt, schema=schemas[kind], group=dataset_group, base=base) for kind in kinds
        ),
        questions=tuple(_question(names, evaluation, attempt, alias, base) for alias in evaluation.recipes),
        parameters=test_parameters(evaluation),
        until=int(datetime.fromisoformat(evaluation.begun_at).timestamp()) if evaluation.begun_at else 0,
    )


def test_parameters(evaluation: Evaluation) -> dict[str, object]:
    """Return the members of an evaluation that determine its result together with the data."""
    return evaluation.model_dump(
        mode="json", include={"event_type", "recipes", "held_out", "generation", "solution_members"}
    )


def _source(names: Names, shop: str, attempt: str, kind: DataKind, base: str) -> Source:
    return Source(
        kind=kind,
        dataset_arn=names.dataset(shop, kind).arn,
        job=_resource(names.export_job(label(shop), kind, attempt)),
        location=f"{base}export/{kind}/",
    )


def _import(names: Names, evaluation: Evaluation, attempt: str, schema: Schema, group: DatasetGroup, base: str) -> Plan:
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
        import_job=ImportJob(name=job.name, arn=job.arn, mode="FULL", data_location=f"{base}import/{kind}/"),
        filters=(),
        recipes=(),
        rows=0,
        notes=(),
    )


def _question(names: Names, evaluation: Evaluation, attempt: str, alias: RecipeAlias, base: str) -> Question:
    shop = evaluation.shop
    (recipe,) = imports.recipes(
        names,
        label(shop),
        imports.Lineage(attempt),
        members={alias: evaluation.solution_members.get(alias, {})},
        generation=evaluation.generation,
    )
    return Question(
        recipe=recipe,
        job=_resource(names.lists_job(label(shop), alias, attempt)),
        source=f"{base}ask/{alias}.json",
        target=f"{base}answers/{alias}/",
    )


def _resource(named: Named) -> Resource:
    return Resource(name=named.name, arn=named.arn)
