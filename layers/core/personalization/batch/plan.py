# SPDX-License-Identifier: Apache-2.0
"""Plan the batch jobs of an execution: what each asks, of which solution version, and where its files are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import not_
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, ValidationError
from table_intake.columns.schema import Schema
from table_intake.wording import Text

from personalization.batch import customers
from personalization.core import stored
from personalization.core.errors import Rejected
from personalization.core.messages import Part, Sentence, is_none, of_this_version
from personalization.core.names import Names, backend_of, on_backend
from personalization.ingest import imports, retraining
from personalization.shop.plan import Made, Plan, RecipePart, Resource, Retraining
from personalization.shop.records.release import Judged, ReleaseRecord, taken
from personalization.shop.settings.batch import BatchJob, Customers
from personalization.shop.settings.recipes import RecipeAlias
from personalization.shop.settings.settings import ShopSettings

MOST_BYTES = 1_000_000_000
"""Bytes of input that Personalize takes in a batch job."""
MOST_LINES = 50_000_000
"""Lines of input that Personalize takes in a batch job."""
MOST_LIKELY = 500_000
"""Users in a segment by likelihood."""

Kind = Literal["lists", "segments", "likelihood", "customers"]


class Training(Part):
    """The training of a segment recipe, as the training step takes it."""

    plan: Plan
    recipe: RecipePart


class Job(Part):
    """A planned batch job."""

    version: int = stored.VERSION
    name: str
    shop: str
    run: str
    """The execution that runs it."""
    release: str
    """The run whose release answers."""
    wave: int = 0
    """Jobs of a later wave wait for those before: their users are segments of these."""
    kind: Kind
    settings: BatchJob
    resource: Resource
    """Personalize's job; unused by likelihood and customers."""
    solution_version_arn: str = ""
    """Empty until a segment recipe is trained."""
    engine: bool = Field(default=False, exclude_if=not_)
    """Whether the engine answers it."""
    filter_arn: str = ""
    influence: dict[str, float] = Field(default={}, exclude_if=not_)
    """How much lists go by popularity and freshness, as those of the campaign."""
    hashed: bool = Field(default=False, exclude_if=not_)
    """Whether the shop's ids are hashes, also in place of those that a list has."""
    training: Training | None = None
    refused: str = Field(default="", exclude_if=not_)
    """Why it cannot be asked; the other jobs of the execution are."""

    @property
    def folder(self) -> str:
        """The folder of all its files, with its slash."""
        return f"{exports(self.shop, self.name)}{self.run}/"

    @property
    def input_key(self) -> str:
        """The key of Personalize's input."""
        return f"{self.folder}personalize/input/{self.name}.json"

    @property
    def output(self) -> str:
        """The folder of Personalize's output, with its slash."""
        return f"{self.folder}personalize/output/"

    @property
    def progress(self) -> str:
        """The key of what a job of our own has reached."""
        return f"{self.folder}personalize/progress.json.gz"

    def answers(self, fit: str) -> str:
        """The prefix of the files of customers that the fit of a run has predicted."""
        return f"{self.output}{fit}/"

    @property
    def report(self) -> str:
        """The key of its report without the ending."""
        return f"reports/{self.shop}/{self.run}/batch-{self.name}"

    @property
    def results(self) -> int:
        """Items in a list, or users in a segment; one of customers."""
        if self.kind == "customers":
            return 1
        return self.settings.segment.users if self.settings.segment else self.settings.items

    @property
    def reasons(self) -> bool:
        """Whether the version may give reasons: only the second generation of user-personalization explores by name."""
        return self.settings.recipe == "user-personalization" and "-v2-" in self.solution_version_arn


RunJob = Annotated[Job, BeforeValidator(of_this_version)]
"""The job of a running execution; Rejected if that began before 0.1.0."""


class PlanRequest(Part):
    """Plan the job of a name, or all that follow a promotion."""

    step: Literal["plan"]
    shop: str
    run: str
    batch: str = ""
    after: str = ""
    scheduled: str = ""
    """The time of a schedule, as EventBridge Scheduler writes it."""
    items: tuple[str, ...] = ()
    """Items of the job `customers`, in place of those that the settings name."""


class Planned(Part):
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a shop has.

    Attributes:
        release: the serving release. trained: solution versions by recipe, with and without campaigns.
        schema: that of the interactions. items: whether there is an Items dataset.
    """

    release: ReleaseRecord
    trained: Mapping[str, str]
    schema: Schema
    items: bool
    settings: ShopSettings = field(default_factory=ShopSettings)


def exports(shop: str, name: str) -> str:
    """Return the folder of all exports of a job, with its slash."""
    return f"exports/{shop}/{name}/"


def newest(shop: str, name: str) -> str:
    """Return the key of the document that names a job's newest export."""
    return f"{exports(shop, name)}newest.json"


def chosen(settings: ShopSettings, request: PlanRequest) -> dict[str, BatchJob]:
    """Return the jobs that an execution runs, by name.

    Raises:
        Rejected: the settings have no job of this name.
    """
    if request.after:
        return {name: job for name, job in settings.batch.items() if job.after == request.after}
    if request.batch == customers.JOB and (request.items or customers.JOB not in settings.batch):
        return {customers.JOB: _customers(request)}
    if request.items:
        text = "only the batch job {job} takes items: leave them out"
        raise Rejected(request.shop, Text("batch.takes-no-items", text, job=customers.JOB))
    if request.batch in settings.batch:
        return {request.batch: settings.batch[request.batch]}
    jobs = Text("batch.settings-none", "its settings have no batch")
    if settings.batch:
        jobs = Text("batch.settings-name", "its settings name {jobs}", jobs=", ".join(settings.batch))
    named = request.batch or Text("batch.nameless", "without a name")
    raise Rejected(request.shop, Text("batch.no-job", "there is no batch job {name}: {jobs}", name=named, jobs=jobs))


def _customers(request: PlanRequest) -> BatchJob:
    try:
        return BatchJob(customers=Customers(items=request.items))
    except ValidationError as invalid:
        raise Rejected(request.shop, f"items: {invalid.errors()[0]['msg']}") from None


def trained_versions(
    release: ReleaseRecord, earlier: Sequence[ReleaseRecord], candidates: Sequence[Judged]
) -> dict[str, str]:
    """Return the newest promoted solution version of each recipe: those that serve, then those without a campaign.

    Args:
        release: the serving release.
        earlier: other releases that were not withdrawn.
        candidates: judged runs.
    """
    versions_taken: dict[str, str] = {}
    for candidate in sorted(candidates, key=lambda judged: judged.judged_at):
        versions_taken |= taken(candidate, (*earlier, release))
    return versions_taken | release.versions


def plan(names: Names, bucket: str, request: PlanRequest, jobs: Mapping[str, BatchJob], facts: Facts) -> Planned:
    """Plan jobs; one that cannot be asked has its reason."""
    made = [_job(names, bucket, request, name=name, job=job, facts=facts) for name, job in jobs.items()]
    segments = {job.name for job in made if job.settings.segment is not None}
    return Planned(jobs=tuple(job.replaced(wave=int(source_segment(job.settings) in segments)) for job in made))


def source_segment(job: BatchJob) -> str | None:
    """Return the segment whose users a job takes."""
    return None if job.users == "all" else job.users.segment


def _job(names: Names, bucket: str, request: PlanRequest, name: str, job: BatchJob, facts: Facts) -> Job:
    shop, segment = request.shop, job.segment
    resource = names.batch_job(shop, name, request.run, segment=segment is not None)
    planned = Job(
        name=name,
        shop=shop,
        run=request.run,
        release=facts.release.run,
        kind="lists",
        settings=job,
        resource=Resource(name=resource.name, arn=resource.arn),
        filter_arn=names.filter(shop, job.filter).arn if job.filter else "",
        hashed=bool(facts.release.hashed),
    )
    if job.filter and job.filter not in facts.release.filters:
        reason = f"the filter {job.filter} is made by the shop's next run: start one first"
        return planned.replaced(refused=reason)
    if job.customers is not None:
        return planned.replaced(kind="customers")
    if segment is None:
        version = facts.trained.get(job.recipe)
        campaign = facts.settings.campaigns.get(job.recipe)
        if campaign and campaign.ranking_influence:
            planned = planned.replaced(influence=campaign.ranking_influence.members)
        reason = (
            f"{job.recipe} has no trained version: drop interactions, or start a run with "
            '{"action": "retrain"}, and repeat it after the promotion'
        )
        return _answered_by(planned, version) if version else planned.replaced(refused=reason)
    if segment.recipe == "likelihood":
        reason = f"a segment by likelihood has at most {MOST_LIKELY:,} users"
        return planned.replaced(kind="likelihood", refused=reason if segment.users > MOST_LIKELY else "")
    if not facts.items:
        reason = f"{segment.recipe} needs items: drop a file of items, then interactions"
        return planned.replaced(kind="segments", refused=reason)
    training = _training(names, bucket, shop, segment.recipe, facts)
    return planned.replaced(kind="segments", training=training, engine=backend_of(resource.arn) == "engine")


def _answered_by(job: Job, version: str) -> Job:
    """Return a job on the backend of the version that answers it, which may be another one than the shop's data's."""
    backend = backend_of(version)
    resource, filter_arn = job.resource.on(backend), on_backend(job.filter_arn, backend)
    is_of_engine = backend == "engine"
    return job.replaced(solution_version_arn=version, resource=resource, filter_arn=filter_arn, engine=is_of_engine)


def _training(names: Names, bucket: str, shop: str, alias: str, facts: Facts) -> Training:
    """Return the training of a segment recipe: once for each release, whichever jobs ask."""
    lineage = imports.Lineage(facts.release.run)
    whole = facts.settings.model_copy(update={"batch": {}, "recommenders": {}, "placements": {}})
    planned = retraining.plan(
        names, bucket, Retraining(shop=shop), lineage=lineage, settings=whole, schema=facts.schema
    )
    (part,) = imports.recipes(names, shop, lineage, {cast("RecipeAlias", alias): {}}, facts.settings.digest)
    return Training(plan=planned.replaced(recipes=(), filters=(), evaluation=None), recipe=part)


class WrittenInput(Part):
    """A job's written input, before it costs anything."""

    lines: int
    size: int
    """Bytes."""
    unknown: int = 0
    """Users without interactions, whom Personalize answers by popularity."""
    left_out: int = 0
    """Users who asked to be deleted."""
    answers: int
    """Lists, or the most users in all segments."""
    dollars: float
    training_dollars: float = 0.0
    notes: tuple[Sentence, ...] = ()


def check_segment(job: Job, failed: Collection[str]) -> None:
    """Check that the segment whose users a job takes did not fail in the same execution.

    Raises:
        Rejected: it failed; its export of before may be old.
    """
    if (name := source_segment(job.settings)) in failed:
        text = (
            "its segment {segment} failed in the same execution, and an earlier export does not stand in for it: "
            "correct what is said of {segment}, run {segment}, then {job}"
        )
        raise Rejected(
            f"batch.{job.name}",
            Text("batch.segment-failed", text, segment=name, job=job.name),
        )


def check_size(job: Job, lines: int, size: int) -> None:
    """Check that Personalize takes the input.

    Raises:
        Rejected: it has nothing, or too much.
    """
    what = "items" if job.settings.takes_items else "users"
    if not lines:
        raise Rejected(f"batch.{job.name}", Text(f"batch.no-{what}", f"there are no {what} to ask for"))
    if lines > MOST_LINES or size > MOST_BYTES:
        text = (
            f"{{lines:,}} {what} are {{size:.1f}} GB of input, and a job takes {{most_lines:,}} lines and "
            "{most:.0f} GB: name several jobs with users: {{file: …}}"
        )
        values = {"lines": lines, "size": size / 1e9, "most_lines": MOST_LINES, "most": MOST_BYTES / 1e9}
        raise Rejected(f"batch.{job.name}", Text(f"batch.large-{what}", text, **values))


def check_budget(job: Job, dollars: float, answers: int) -> None:
    """Check a job's estimate against its budget.

    Raises:
        Rejected: it is dearer.
    """
    if dollars > job.settings.budget:
        what = "lists" if job.kind == "lists" else "users in segments"
        text = (
            f"about ${{dollars:,.2f}} for {{answers:,}} {what} is more than its budget of ${{budget:,.2f}}: raise "
            "budget, or name fewer users"
        )
        values = {"dollars": dollars, "answers": answers, "budget": job.settings.budget}
        raise Rejected(f"batch.{job.name}", Text(f"batch.dear-{job.kind}", text, **values))


class WriteRequest(Part):
    """Write a job's input, and estimate its price."""

    step: Literal["write"]
    job: RunJob
    failed: tuple[str, ...] = ()
    """Jobs of this execution that failed."""


class Cursor(Part):
    """The progress of a step across its calls."""

    arn: str = ""
    """Personalize's job, once it exists."""
    stage: int = 0
    before: str = ""
    file: int = 0
    """The next file of answers, or of users' counters."""
    offset: int = 0
    """The next byte of it."""
    parts: int = 0
    """Written parts."""
    lists: int = 0
    rows: int = 0
    errors: int = 0
    empty: int = 0
    formulas: int = 0
    """Cells that got an apostrophe."""
    examples: tuple[str, ...] = ()
    """The first different errors."""

    def of_step(self) -> Made:
        return Made(stage=self.stage, arn=self.arn, before=self.before)

    @classmethod
    def from_step(cls, made: Made | None) -> "Cursor":
        return cls() if made is None else cls(stage=made.stage, arn=made.arn, before=made.before)


class JobRequest(Part):
    """Go on with a job until it is ready."""

    job: RunJob
    made: Cursor = Cursor()


class SegmentRequest(JobRequest):
    """Train the recipe of a job's segment."""

    step: Literal["train"]


class AnswerRequest(JobRequest):
    """Have a job answered."""

    step: Literal["answer"]


class ConvertRequest(JobRequest):
    """Convert a job's answers."""

    step: Literal["convert"]


class EndRequest(JobRequest):
    """End a job after a failure."""

    step: Literal["end"]


class Progressed(Part):
    """The progress of a job, in the form in which `ensure` reads it."""

    arn: str
    status: str
    name: str
    ready: bool = False
    reason: str = Field(default="", exclude_if=not_)
    patience: int | None = Field(default=None, exclude_if=is_none)
    """Minutes that it waits at most, where they are others than the machine's own."""
    more: bool = Field(default=False, exclude_if=not_)
    """Whether the next call goes on with work of our own, so that nothing is to be waited for."""
    made: Cursor = Cursor()


class ReportRequest(Part):
    """Report on an export, and make it the newest."""

    step: Literal["report"]
    job: RunJob
    written: WrittenInput
    made: Cursor


class Exported(Part):
    """What is announced of an export."""

    batch: str
    folder: str
    """As s3://…/."""
    files: int
    lists: int
    rows: int
    errors: int
    dollars: float
    report: str
    reason: str = ""
