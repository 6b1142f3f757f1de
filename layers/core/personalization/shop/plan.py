# SPDX-License-Identifier: Apache-2.0
"""The plan of a run and its messages: JSON in camelCase between the state machine and its functions."""

from functools import partial
from operator import eq, not_
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from table_intake import DataKind, Mode
from table_intake.wording import Language

from personalization.core import stored
from personalization.core.messages import Part, Sentence, is_none, of_this_version
from personalization.core.names import Backend, on_backend
from personalization.shop.keys import Kind
from personalization.shop.settings.diversity import USUAL, Diversity
from personalization.shop.settings.gate import Gate, HeldOut, Probe
from personalization.shop.settings.lists import USUAL_LISTS, Lists
from personalization.shop.settings.placements import Placement
from personalization.shop.settings.recipes import Generation, RecipeAlias

TrainingMode = Literal["FULL", "UPDATE"]


class Resource(Part):
    """A resource by name and ARN."""

    name: str
    arn: str

    def on(self, backend: Backend) -> Self:
        """Return the resource of the same name on a backend."""
        return self.replaced(arn=on_backend(self.arn, backend))


class DatasetGroup(Resource):
    domain: Literal["ECOMMERCE"] | None


class Dataset(Resource):
    """The dataset of a drop."""

    type: Literal["INTERACTIONS", "USERS", "ITEMS", "ACTIONS", "ACTION_INTERACTIONS"]
    changes: bool = False
    """Whether the existing dataset gets the plan's schema."""


class SchemaPart(Resource):
    """The dataset's schema; `text` is its Avro JSON."""

    kind: DataKind
    text: str
    domain: Literal["ECOMMERCE"] | None


class EventTracker(Part):
    """The shop's event tracker; Personalize chooses its ARN."""

    name: str


class MetricAttributionPart(Part):
    """The shop's metric attribution; Personalize chooses its ARN."""

    name: str
    metrics: tuple[dict[str, str], ...]
    """By the names of Personalize's API."""


class ImportJob(Resource):
    mode: Mode
    data_location: str
    earlier: tuple[Resource, ...] = ()
    """Jobs for the same objects that earlier runs may have started, oldest first."""

    def on(self, backend: Backend) -> Self:
        earlier = tuple(job.on(backend) for job in self.earlier)
        return self.replaced(arn=on_backend(self.arn, backend), earlier=earlier)


class FilterPart(Resource):
    expression: str


class RecommenderPart(Resource):
    recipe_arn: str
    config: dict[str, int | bool]
    """The members of its configuration in the settings, by Personalize's names."""


class RecipePart(Part):
    """A recipe with its resources."""

    alias: str
    recipe_arn: str
    solution: Resource
    campaign: Resource
    solution_version_name: str
    earlier_versions: tuple[str, ...] = ()
    """Trainings on the same data that earlier runs may have started, oldest first."""
    min_provisioned_tps: int | None = Field(default=None, exclude_if=is_none)
    """The campaign's throughput in the settings; None leaves it unchanged."""
    campaign_config: dict[str, Any] = Field(default={}, exclude_if=not_)
    """The members of the campaign's configuration in the settings, by Personalize's names."""
    deployed: bool = Field(default=True, exclude_if=bool)
    """Whether the recipe has a campaign; the baseline needs none."""
    solution_members: dict[str, Any] = Field(default={}, exclude_if=not_)
    """The members of the solution in the settings, by Personalize's names."""
    is_spare: bool = Field(default=False, exclude_if=not_)
    """Whether it only answers where another backend does not, so that a release may do without it."""
    engine: bool = Field(default=False, exclude_if=not_)
    """Whether the engine trains it."""

    def on(self, backend: Backend) -> Self:
        """Return the same recipe on a backend."""
        resources = {"solution": self.solution.on(backend), "campaign": self.campaign.on(backend)}
        return self.replaced(**resources, engine=backend == "engine")


class Joined(Part):
    """An earlier object whose rows are imported together with another's."""

    id: str = ""
    key: str
    version_id: str | None = None
    at: str = Field(default="", exclude_if=not_)
    """The time of the drop, ISO 8601."""


class Choices(Part):
    """What a drop of users says about personal lists."""

    key: str
    """The key of the file that has it: see `events.dropped_choices`."""
    at: float
    """The time of the drop, Unix seconds."""


class LatestFull(Part):
    """The latest imported FULL of a dataset."""

    content: str
    """As in `claims.Claim`."""
    key: str
    run: str
    """The run that handled it."""


class Last(Part):
    """An imported object, with whose report others are compared."""

    key: str
    run: str
    """The run that imported it."""


class LeftOut(Part):
    """An object that is left out of a joint import."""

    id: str
    key: str
    outcome: Literal["refused", "later"]
    """`later`: the next run imports it."""
    reason: Sentence


class Retraining(Part):
    """A request for training on existing data; without recipes all of the shop's are trained."""

    shop: str
    training_mode: TrainingMode = "FULL"
    recipes: tuple[str, ...] = ()


class PrepareRequest(Part):
    """The object that a run handles, or a retraining, which has none."""

    id: str = ""
    bucket: str
    key: str
    version_id: str | None = None
    run: str
    at: str = Field(default="", exclude_if=not_)
    """The time of the drop, ISO 8601."""
    also: tuple[Joined, ...] = ()
    retrain: Retraining | None = None
    imported_by: tuple[str, ...] = ()
    """Earlier runs that imported exactly these objects."""
    trained_by: tuple[str, ...] = ()
    """Earlier runs that trained on exactly this run's drops."""
    begun_at: str = Field(default="", exclude_if=not_)
    """When the first of these runs took the object, ISO 8601."""
    latest_full: LatestFull | None = Field(
        default=None, validation_alias="known", serialization_alias="known", exclude_if=is_none
    )
    """The dataset's current FULL, if the object is one."""
    last: Last | None = Field(default=None, exclude_if=is_none)
    """The last import of the same kind and mode."""
    since: Last | None = Field(default=None, exclude_if=is_none)
    """The last import of the kind, if it is of the other mode and after that one."""
    ids: dict[DataKind, tuple[str, ...]] = Field(default_factory=dict, exclude_if=not_)
    """The runs that imported the users, the items and the actions last, the latest first, with whose ids others are
    compared."""
    unreadable: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude_if=not_)
    """Why files cannot be read that have ended the process that read them, by their keys: texts as JSON."""


class JoinedExport(Part):
    """What was made of an export."""

    outcome: Literal["joined"] = "joined"
    joined: tuple[str, ...]
    """The keys of the drops, in their order."""
    reason: str
    """What was done, and the report's page."""


class Evaluation(Part):
    """A test on held-out time that a run makes before it trains; see `releases.held_out`."""

    run: str
    shop: str
    domain: Literal["ECOMMERCE"] | None
    event_type: str
    """The event type to predict: the shop's own name for a purchase."""
    recipes: tuple[RecipeAlias, ...]
    """The tested recipes."""
    held_out: HeldOut
    made_by: tuple[str, ...] = ()
    """Earlier runs with the same data, whose test is reused."""
    generation: Generation = Field(default="v1", exclude_if=partial(eq, "v1"))
    """The generation of the tested recipes."""
    begun_at: str = Field(default="", exclude_if=not_)
    """As in `Plan`: later interactions are left out of the test."""
    solution_members: dict[str, dict[str, Any]] = Field(default={}, exclude_if=not_)
    """By recipe, as in `RecipePart`; recipes without any are left out."""


class Nothing(Part):
    """A run without an import, after a drop of settings or a marker."""

    run: str
    shop: str
    kind: Kind
    notes: tuple[Sentence, ...] = ()
    outcome: Literal["", "alreadyHandled", "divided"] = Field(default="", exclude_if=not_)
    """`alreadyHandled`: the dataset already has these bytes; `divided`: ranges of the drop must be checked first."""
    work: str = Field(default="", exclude_if=not_)
    """The folder for the check of the ranges."""
    language: Annotated[Language, Field(exclude_if=partial(eq, "en"))] = "en"
    """The language of the notes."""

    @property
    def rows(self) -> int:
        return 0

    @property
    def rejects(self) -> int:
        return 0


class Plan(Part):
    """A run that imports a dataset and, with interactions, trains and deploys."""

    version: int = stored.VERSION
    run: str
    shop: str
    engine: bool = False
    """Whether the stack's own functions import and train: then only so many at a time."""
    kind: DataKind
    mode: Mode
    dataset_group: DatasetGroup
    dataset: Dataset
    schema_: SchemaPart
    event_tracker: EventTracker
    import_job: ImportJob
    """The first or only one."""
    further: tuple[ImportJob, ...] = ()
    """The next jobs, in order, if the data exceed one incremental job."""
    filters: tuple[FilterPart, ...]
    recipes: tuple[RecipePart, ...]
    rows: int
    notes: tuple[Sentence, ...]
    report: str = ""
    """The key of the HTML report on the data."""
    rejects: int = 0
    """The number of rows left out."""
    content: str = Field(default="", exclude_if=not_)
    """As in `claims.Claim`, for a FULL."""
    hashed: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """The shop's columns that have hashes, by Personalize's names; USER_ID is one of them where there are any."""
    choices: tuple[Choices, ...] = Field(default=(), exclude_if=not_)
    """What users say about personal lists, for each object that says it, oldest first."""
    left_out: tuple[LeftOut, ...] = ()
    """Objects whose rows are not in the import copy."""
    training_mode: TrainingMode = "FULL"
    gate: Gate = Gate()
    probe: Probe = Probe()
    language: Annotated[Language, Field(exclude_if=partial(eq, "en"))] = "en"
    """The language of the run's report."""
    serves: tuple[str, ...] = ()
    """The recipes in the shop's settings: campaigns of untrained ones keep serving."""
    deploys: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """The recipes with a campaign."""
    batches: bool = Field(default=False, exclude_if=not_)
    """Whether batch jobs follow a promotion."""
    unused: tuple[Resource, ...] = Field(default=(), exclude_if=not_)
    """Campaigns that the settings no longer name, deleted after a promotion."""
    evaluation: Evaluation | None = None
    """The test on held-out time in the shop's settings."""
    placements: dict[str, Placement] = Field(default={})
    lists: Lists = Field(default=USUAL_LISTS, exclude_if=partial(eq, USUAL_LISTS))
    """The recipes that answer the API's lists."""
    diversity: Diversity = Field(default=USUAL, exclude_if=partial(eq, USUAL))
    """The shop's variety in lists."""
    recommenders: tuple[RecommenderPart, ...] = ()
    """Recommenders in the settings with enough data."""
    metric_attribution: MetricAttributionPart | None = Field(default=None, exclude_if=is_none)
    """The metric attribution in the settings."""
    begun_at: str = Field(default="", exclude_if=not_)
    """When this run, or the first run whose work it continues, took its drops, ISO 8601: resources created earlier do
    not belong to it, even if the names match."""
    is_on_both: bool = Field(default=False, exclude_if=not_)
    """Whether the engine imports the same files beside Amazon Personalize: it has recipes of the shop, or answers where
    Amazon Personalize does not."""
    is_spare_engine: bool = Field(default=False, exclude_if=not_)
    """Whether it does so for a fallback alone, which a run may do without."""

    def on(self, backend: Backend) -> Self:
        """Return the plan of the same imports on a backend, without what only Amazon Personalize has."""
        return self.replaced(
            dataset_group=self.dataset_group.on(backend),
            dataset=self.dataset.on(backend),
            schema_=self.schema_.on(backend),
            import_job=self.import_job.on(backend),
            further=tuple(job.on(backend) for job in self.further),
            filters=tuple(part.on(backend) for part in self.filters),
            choices=(),
            recommenders=(),
            metric_attribution=None,
        )

    model_config = ConfigDict(alias_generator=lambda name: to_camel(name.rstrip("_")))


RunPlan = Annotated[Plan, BeforeValidator(of_this_version)]
"""The plan of a running execution; Rejected if that began before 0.1.0."""


class Promoted(Part):
    """A campaign and the version that it serves in a release."""

    alias: str
    campaign_arn: str
    solution_version_arn: str
    run: str
    """The run that trained the version."""
    baseline_arn: str | None = None
    """The Popularity-Count version of that run."""
    found_from: str = Field(default="", exclude_if=not_)
    """When the version was made, ISO 8601, if that was before its run."""
    recipe: str = Field(default="", exclude_if=not_)
    """Personalize's name of the version's recipe; empty if the plan or the alias determines it."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """Notes about the campaign."""


class Made(Part):
    """The progress of a step across its calls."""

    stage: int = 0
    """The number of finished resources."""
    arn: str = ""
    """The resource in progress."""
    before: str = ""
    """The last finished resource."""


class Step(Part):
    """The result of a step that created, found or described a resource."""

    arn: str
    status: str
    found_from: str = Field(default="", exclude_if=not_)
    """When a solution version was made, ISO 8601, if that was before the run, so that nothing was trained."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """Notes for people."""
    reason: str = Field(default="", exclude_if=not_)
    """Why the step waits."""
    patience: int | None = Field(default=None, exclude_if=is_none)
    """Minutes that it waits for room at most, where they are others than the machine's own."""
    name: str = Field(default="", exclude_if=not_)
    """The resource's name for people."""
    ready: bool = False
    """Whether all the step's resources are ready."""
    made: Made | None = Field(default=None, exclude_if=is_none)
    """The state for the next call."""


class ImportRequest(Part):
    """A step of an import."""

    steps: tuple[
        Literal[
            "datasetGroup",
            "schema",
            "dataset",
            "eventTracker",
            "metricAttribution",
            "filter",
            "recommender",
            "importJob",
        ],
        ...,
    ]
    """The resources in their order; each waits for those before it."""
    plan: RunPlan
    filter: FilterPart | None = None
    recommender: RecommenderPart | None = None
    backend: Backend | None = Field(default=None, exclude_if=is_none)
    """Whose import it is, where that is not the backend of the plan."""
    made: Made = Made()

    def on(self, backend: Backend) -> Self:
        """Return the same step of the imports on a backend."""
        return self.replaced(plan=self.plan.on(backend), filter=self.filter and self.filter.on(backend))


class TrainRequest(Part):
    steps: tuple[Literal["solution", "solutionVersion"], ...]
    """As in `ImportRequest`."""
    plan: RunPlan
    recipe: RecipePart
    made: Made = Made()
