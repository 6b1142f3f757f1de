# SPDX-License-Identifier: Apache-2.0
"""The plan of a run: everything that the state machine and its functions agree on, as JSON in camelCase."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from personalization.core.errors import Broken
from personalization.shop.campaigns import Generation
from personalization.shop.gates import Gate, HeldOut, Probe
from personalization.shop.keys import DataKind, Kind, Mode
from personalization.shop.placements import Placement
from personalization.shop.settings import RecipeAlias

TrainingMode = Literal["FULL", "UPDATE"]


class Part(BaseModel):
    """A piece of JSON that crosses the border between the machine and a function."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    @classmethod
    def read(cls, value: object) -> Self:
        """Understand JSON that the machine hands over; what it adds is ignored.

        Raises:
            Broken: it is not as it must be, so machine and functions do not belong together.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise Broken("the step's input", " ".join(str(error).split())) from None

    def as_json(self) -> dict[str, object]:
        """The piece as the machine keeps it."""
        return self.model_dump(mode="json", by_alias=True)


class Resource(Part):
    """A resource by name and ARN."""

    name: str
    arn: str


class DatasetGroup(Resource):
    """The shop's dataset group."""

    domain: Literal["ECOMMERCE"] | None


class Dataset(Resource):
    """The dataset that a drop goes into."""

    type: Literal["INTERACTIONS", "USERS", "ITEMS"]
    changes: bool = False
    """Whether the dataset, which is there, gets the plan's schema in place of its own."""


class SchemaPart(Resource):
    """The dataset's schema; `text` is its Avro JSON."""

    kind: DataKind
    text: str
    domain: Literal["ECOMMERCE"] | None


class EventTracker(Part):
    """The shop's event tracker; its ARN is made up by Personalize."""

    name: str


class ImportJob(Resource):
    """The import job of this run."""

    mode: Mode
    data_location: str
    earlier: tuple[Resource, ...] = ()
    """Jobs of the same objects that earlier runs may have started, the first one first."""
    once_named: tuple[Resource, ...] = Field(default=(), exclude_if=lambda value: not value)
    """The same jobs by the names that they had before names carried a hash of the run; none is started by them."""


class FilterPart(Resource):
    """A filter of the shop."""

    expression: str


class RecommenderPart(Resource):
    """A recommender of the shop."""

    recipe_arn: str
    config: dict[str, int | bool]
    """What the settings decide of its configuration, as Personalize names it."""


class RecipePart(Part):
    """A recipe with what is made for it."""

    alias: str
    recipe_arn: str
    solution: Resource
    campaign: Resource
    solution_version_name: str
    earlier_versions: tuple[str, ...] = ()
    """Names of trainings on the same data that earlier runs may have started, the first one first."""
    once_named: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """The same trainings by the names that they had before names carried a hash of the run."""
    min_provisioned_tps: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """What the settings say about the campaign's throughput; None leaves it as it is."""
    campaign_config: dict[str, Any] = Field(default={}, exclude_if=lambda value: not value)
    """The members of the campaign's configuration that the settings decide, as Personalize names them."""
    deployed: bool = Field(default=True, exclude_if=lambda value: value)
    """Whether the recipe has a campaign; the gate's baseline needs none."""


class Joined(Part):
    """An earlier object whose rows are imported together with those of another."""

    id: str = ""
    """Its claim's."""
    key: str
    version_id: str | None = None


class Known(Part):
    """The whole history of a dataset that was imported last."""

    content: str
    """As in `claims.Claim`."""
    key: str
    run: str
    """The run that handled it."""


class LeftOut(Part):
    """An object that is not imported together with the others of its import."""

    id: str
    """Its claim's."""
    key: str
    outcome: Literal["refused", "later"]
    """`later`: the run that follows imports it."""
    reason: str


class Retraining(Part):
    """A wish for a training on the data that is there; no recipe named means all of the shop's."""

    shop: str
    training_mode: TrainingMode = "FULL"
    recipes: tuple[str, ...] = ()


class PrepareRequest(Part):
    """What the machine tells of an object that a run handles, or of a retraining, which has none."""

    id: str = ""
    """Its claim's."""
    bucket: str
    key: str
    version_id: str | None = None
    run: str
    also: tuple[Joined, ...] = ()
    retrain: Retraining | None = None
    imported_by: tuple[str, ...] = ()
    """Earlier runs that had exactly these objects to import."""
    trained_by: tuple[str, ...] = ()
    """Earlier runs that had exactly the drops of this one to train on."""
    in_parts: bool = False
    """Whether the machine starts the jobs of a plan one after the other; an execution of an older machine doesn't."""
    begun_at: str = Field(default="", exclude_if=lambda value: not value)
    """When the first of all these runs took the object, ISO 8601."""
    known: Known | None = Field(default=None, exclude_if=lambda value: value is None)
    """What the dataset has already, if the object is a whole history."""
    may_skip: bool = False
    """Whether the machine understands that an object needs no import; an execution of an older machine doesn't."""


class Evaluation(Part):
    """A test on held-out time that a run is to make before it trains; see `heldout`."""

    run: str
    shop: str
    domain: Literal["ECOMMERCE"] | None
    event_type: str
    """The event type that a user is expected to have had: the shop's own word for a purchase."""
    recipes: tuple[RecipeAlias, ...]
    """Those that are tested."""
    held_out: HeldOut
    made_by: tuple[str, ...] = ()
    """Earlier runs with the same data: a test of theirs need not be made and paid for again."""
    generation: Generation = Field(default="v1", exclude_if=lambda value: value == "v1")
    """The generation of the recipes that are tested."""
    begun_at: str = Field(default="", exclude_if=lambda value: not value)
    """As in `Plan`: interactions of later than this are none that the test is about."""


class Nothing(Part):
    """A run that has nothing to import: settings were dropped, or a marker."""

    run: str
    shop: str
    kind: Kind
    notes: tuple[str, ...] = ()
    outcome: Literal["", "alreadyHandled"] = Field(default="", exclude_if=lambda value: not value)
    """`alreadyHandled`: the dataset has these bytes already."""

    @property
    def rows(self) -> int:
        """No rows."""
        return 0

    @property
    def rejects(self) -> int:
        """No rows."""
        return 0


class Plan(Part):
    """A run that imports a dataset and, with interactions, trains and deploys."""

    run: str
    shop: str
    kind: DataKind
    mode: Mode
    dataset_group: DatasetGroup
    dataset: Dataset
    schema_: SchemaPart
    event_tracker: EventTracker
    import_job: ImportJob
    """The first or only one."""
    further: tuple[ImportJob, ...] = ()
    """The jobs that follow it, one after the other, where the data exceed one incremental job."""
    filters: tuple[FilterPart, ...]
    recipes: tuple[RecipePart, ...]
    rows: int
    notes: tuple[str, ...]
    report: str = ""
    """The key of the report on the data, as a page."""
    rejects: int = 0
    """Rows that were left out."""
    content: str = Field(default="", exclude_if=lambda value: not value)
    """As in `claims.Claim`, of a whole history."""
    left_out: tuple[LeftOut, ...] = ()
    """Objects whose rows are not in the import copy."""
    training_mode: TrainingMode = "FULL"
    gate: Gate = Gate()
    probe: Probe = Probe()
    serves: tuple[str, ...] = ()
    """The recipes of the shop's settings: of those that are not trained, the campaigns serve on."""
    deploys: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Those of them that have a campaign; empty in an older plan: all."""
    unused: tuple[Resource, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Campaigns that the settings no longer ask for, which go after a promotion."""
    evaluation: Evaluation | None = None
    """The test on held-out time that the shop's settings ask for."""
    placements: dict[str, Placement] = {}
    """The shop's placements by name."""
    recommenders: tuple[RecommenderPart, ...] = ()
    """Those of the settings that the data are enough for."""
    begun_at: str = Field(default="", exclude_if=lambda value: not value)
    """When this run, or the first of those whose work it goes on with, took what it handles, ISO 8601: what Personalize
    made before is none of their work, whatever it is called."""

    model_config = ConfigDict(alias_generator=lambda name: to_camel(name.rstrip("_")))


class Promoted(Part):
    """A campaign and the version that it serves in a release."""

    alias: str
    campaign_arn: str
    solution_version_arn: str
    run: str
    """The run that trained the version."""
    baseline_arn: str | None = None
    """The Popularity-Count version of that run."""
    found_from: str = Field(default="", exclude_if=lambda value: not value)
    """When the version was made, ISO 8601, if that was before its run began."""
    recipe: str = Field(default="", exclude_if=lambda value: not value)
    """Personalize's name of the version's recipe; empty where the plan or the alias tells it."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """What the promotion says about the campaign."""


class Made(Part):
    """How far a step has come that is asked again."""

    stage: int = 0
    """How many of its resources are ready."""
    arn: str = ""
    """The one that is under way."""
    before: str = ""
    """The one that became ready last."""


class Step(Part):
    """The answer of a step that made or found a resource, or looked at it."""

    arn: str
    status: str
    found_from: str = Field(default="", exclude_if=lambda value: not value)
    """When a solution version was made, ISO 8601, if that was before the run began, so that nothing was trained."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """What people should know about it."""
    reason: str = Field(default="", exclude_if=lambda value: not value)
    """Why the step waits."""
    name: str = Field(default="", exclude_if=lambda value: not value)
    """What people call the resource."""
    ready: bool = False
    """Whether everything that the step makes is ready."""
    made: Made | None = Field(default=None, exclude_if=lambda value: value is None)
    """What the machine hands over when it asks again."""


class ImportRequest(Part):
    """A step that makes the import happen."""

    steps: tuple[
        Literal["datasetGroup", "schema", "dataset", "eventTracker", "filter", "recommender", "importJob"], ...
    ]
    """What is made, in this order; each when what comes before it is ready."""
    plan: Plan
    filter: FilterPart | None = None
    recommender: RecommenderPart | None = None
    made: Made = Made()


class TrainRequest(Part):
    """A step of training."""

    steps: tuple[Literal["solution", "solutionVersion"], ...]
    """As in `ImportRequest`."""
    plan: Plan
    recipe: RecipePart
    made: Made = Made()
