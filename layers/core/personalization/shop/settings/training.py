# SPDX-License-Identifier: Apache-2.0
"""The settings `events` and `training`: what a recipe trains on, and how.

Each recipe takes some members of Personalize's CreateSolution; `TAKES` has them, from the developer guide's pages on
the recipes, on configuring a solution, and on hyperparameters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, StringConstraints, Tag
from table_intake import DataKind
from table_intake.columns.schema import RETURN
from table_intake.wording import Text

from personalization.shop.settings.campaigns import mapping
from personalization.shop.settings.recipes import SECOND_GENERATION, RecipeAlias, recipe
from personalization.shop.settings.settings_errors import at

MOST_EVENTS = 10
"""Event types that Personalize weighs."""
TRIALS = 10
"""Trainings that a tuning tries unless the settings say otherwise."""
MOST_TRIALS = 40
MOST_PARALLEL = 10
NEVER_EXCLUDED = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
"""Columns that Personalize always trains on."""

EventName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Threshold = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Columns = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,149}$")], ...],
    Field(min_length=1, max_length=50),
]
Value = str | StrictBool | float
"""The value of a parameter; Personalize takes texts."""


class EventSettings(BaseModel):
    """How much the events of a type count in a training, and which of them train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: Weight
    """Its weight beside those of the other types, from 0 to 1; only their ratio counts."""
    threshold: Threshold | None = None
    """Only events whose EVENT_VALUE is at least this train."""


def _form(value: object) -> str:
    return "[several]" if isinstance(value, Mapping | EventSettings) else "[one]"


EventWeight = Annotated[
    Annotated[Weight, Tag("[one]")] | Annotated[EventSettings, Tag("[several]")], Discriminator(_form)
]
"""A weight, or a weight with a threshold."""
Events = Annotated[dict[EventName, EventWeight], Field(max_length=MOST_EVENTS)]


class ObjectiveSettings(BaseModel):
    """What lists should have much of, beside what fits the user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,149}$")]
    """A column of items with a number in each row, such as PRICE."""
    sensitivity: Literal["low", "medium", "high"] = "low"
    """How much it counts against relevance."""


class TuningSettings(BaseModel):
    """A search for the best parameters of a recipe, by trainings that are all billed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trainings: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = TRIALS
    """The most trainings that it tries."""
    parallel: Annotated[int, Field(ge=1, le=MOST_PARALLEL, strict=True)] = 1
    """How many of them run at the same time."""
    ranges: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, max_length=100)]] = {}
    """What it tries, by parameter: the least and the greatest number, or the words; without it, Personalize's own."""


class TrainingSettings(BaseModel):
    """How a recipe trains; what is not set here is as Personalize has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exclude: Annotated[dict[DataKind, Columns], Field(max_length=3)] = {}
    """Columns that do not train, by the kind of their data. Filters and answers still have them."""
    include: Annotated[dict[DataKind, Columns], Field(max_length=3)] = {}
    """The only columns that train, by the kind of their data."""
    objective: ObjectiveSettings | None = None
    """A number of items, such as their price, of which lists should have much."""
    tune: TuningSettings | None = None
    """A search for the best parameters before each training."""
    parameters: dict[str, Value] = {}
    """Parameters of the recipe's algorithm, by Personalize's names."""
    features: dict[str, Value] = {}
    """Parameters by which the recipe prepares its data, by Personalize's names."""
    event_type: EventName | None = None
    """The one event type that trains; all without it."""
    threshold: Threshold | None = None
    """Only events of this type whose EVENT_VALUE is at least this train."""
    incremental_updates: StrictBool | None = None
    """Whether the model takes in what is new between trainings, which is billed."""


Training = dict[Literal["all", RecipeAlias], TrainingSettings]
Member = Literal[
    "exclude",
    "include",
    "objective",
    "tune",
    "parameters",
    "features",
    "event_type",
    "threshold",
    "incremental_updates",
]
"""A member of `TrainingSettings`."""


@dataclass(frozen=True, slots=True)
class Number:
    """The numbers that a parameter takes."""

    low: float
    high: float
    whole: bool = False

    def wire(self, value: object) -> str | None:
        """Return the value as Personalize takes it, or None if it doesn't."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except ValueError:
            return None
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            return None
        return f"{int(number)}" if self.whole else f"{number:g}"

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The words that a parameter takes."""

    words: tuple[str, ...]

    def wire(self, value: object) -> str | None:
        """Return the value as Personalize takes it, or None if it doesn't."""
        return next((word for word in self.words if word.lower() == str(value).lower()), None)

    def __str__(self) -> str:
        return ", ".join(self.words)


Parameters = Mapping[str, Number | Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a recipe takes of CreateSolution beside its name and its columns."""

    events: bool = False
    """Weights of several event types."""
    event_type: bool = True
    """The choice of one event type."""
    objective: bool = False
    incremental_updates: bool = False
    parameters: Parameters = field(default_factory=dict)
    features: Parameters = field(default_factory=dict)
    tuned: Parameters = field(default_factory=dict)
    """Parameters that a tuning can choose."""

    def takes(self, member: Member) -> bool:
        if member in {"exclude", "include"}:
            return True
        if member == "threshold":
            return self.event_type
        return bool(self.tuned if member == "tune" else getattr(self, member))


_NETWORK: Parameters = {
    "hidden_dimension": Number(32, 256, whole=True),
    "bptt": Number(2, 32, whole=True),
    "recency_mask": Choice(("True", "False")),
}
_HISTORIES: Parameters = {
    "min_user_history_length_percentile": Number(0, 1),
    "max_user_history_length_percentile": Number(0, 1),
}
_FIRST = Takes(objective=True, parameters=_NETWORK, features=_HISTORIES, tuned=_NETWORK)
# A single type is a list of one with its weight, so the second generation needs no `event_type`.
_SECOND = Takes(events=True, event_type=False, parameters={"apply_recency_bias": Choice(("true", "false"))})
_WINDOWS = Choice(("30 minutes", "1 hour", "2 hours", "3 hours", "1 day"))
TAKES: Mapping[str, Takes] = {
    "aws-user-personalization": _FIRST,
    "aws-personalized-ranking": _FIRST,
    "aws-user-personalization-v2": _SECOND,
    "aws-personalized-ranking-v2": _SECOND,
    "aws-similar-items": Takes(
        parameters={"popularity_discount_factor": Number(0, 1)},
        tuned={
            "item_id_hidden_dim": Number(30, 200, whole=True),
            "item_metadata_hidden_dim": Number(30, 200, whole=True),
        },
    ),
    "aws-popularity-count": Takes(),
    "aws-trending-now": Takes(features={"trend_discovery_frequency": _WINDOWS}),
    "aws-semantic-similarity": Takes(event_type=False, incremental_updates=True),
    "aws-next-best-action": Takes(
        event_type=False, parameters={"action_optimization_period": Number(7, 28, whole=True)}
    ),
}
"""What Personalize's recipes take, by their names."""


def chosen(training: Mapping[Any, TrainingSettings], alias: str) -> TrainingSettings:
    """Return what holds for a recipe: its own settings over those of all recipes, member by member."""
    of_all, of_recipe = (training.get(name, TrainingSettings()) for name in ("all", alias))
    values = {name: getattr(layer, name) for layer in (of_all, of_recipe) for name in layer.model_fields_set}
    # Personalize takes one choice of columns: a recipe's own replaces that of all.
    if of_recipe.include or of_recipe.exclude:
        values |= {"include": of_recipe.include, "exclude": of_recipe.exclude}
    return TrainingSettings.model_construct(**values)


def members(recipe_name: str, training: TrainingSettings, events: Mapping[str, EventSettings]) -> dict[str, Any]:
    """Return the members of CreateSolution for a recipe by Personalize's name; what it does not take is left out."""
    takes = TAKES[recipe_name]
    config: dict[str, Any] = {}
    if takes.events and events:
        config["eventsConfig"] = {"eventParametersList": [_event(name, event) for name, event in events.items()]}
    columns = {"excludedDatasetColumns": training.exclude, "includedDatasetColumns": training.include}
    chosen_columns = {
        member: {kind.capitalize(): list(names) for kind, names in kinds.items()}
        for member, kinds in columns.items()
        if kinds
    }
    if chosen_columns:
        config["trainingDataConfig"] = chosen_columns
    if takes.objective and training.objective:
        objective = training.objective
        config["optimizationObjective"] = {
            "itemAttribute": objective.column,
            "objectiveSensitivity": objective.sensitivity.upper(),
        }
    for member, given, accepted in (
        ("algorithmHyperParameters", training.parameters, takes.parameters),
        ("featureTransformationParameters", training.features, takes.features),
    ):
        if values := {name: accepted[name].wire(value) for name, value in given.items() if name in accepted}:
            config[member] = values
    solution: dict[str, Any] = {}
    if takes.event_type and training.event_type:
        solution["eventType"] = training.event_type
        if training.threshold is not None:
            config["eventValueThreshold"] = f"{training.threshold:g}"
    if takes.tuned and training.tune:
        solution["performHPO"] = True
        config["hpoConfig"] = _tuning(training.tune, takes.tuned)
    if takes.incremental_updates and training.incremental_updates is not None:
        solution["performIncrementalUpdate"] = training.incremental_updates
    return solution | ({"solutionConfig": config} if config else {})


def fixed(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a solution can never change: UpdateSolution takes other weights and incremental updates.

    Whether a solution has weights at all stays as it was made, as nothing says that an update can take them away.
    """
    config = dict(members.get("solutionConfig", {}))
    if "eventsConfig" in config:
        config["eventsConfig"] = True
    rest = {
        name: value for name, value in members.items() if name not in {"performIncrementalUpdate", "solutionConfig"}
    }
    return rest | ({"solutionConfig": config} if config else {})


def _event(name: str, event: EventSettings) -> dict[str, object]:
    threshold = {} if event.threshold is None else {"eventValueThreshold": event.threshold}
    return {"eventType": name, "weight": event.weight, **threshold}


def _tuning(tune: TuningSettings, tuned: Parameters) -> dict[str, Any]:
    resources = {"maxNumberOfTrainingJobs": str(tune.trainings), "maxParallelTrainingJobs": str(tune.parallel)}
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, values in tune.ranges.items():
        accepted = tuned.get(name)
        if isinstance(accepted, Choice):
            words = {"name": name, "values": [accepted.wire(value) for value in values]}
            ranges.setdefault("categoricalHyperParameterRanges", []).append(words)
        elif accepted is not None:
            low, high = sorted(float(value) for value in (values[0], values[-1]))
            kind = "integer" if accepted.whole else "continuous"
            ends = (int(low), int(high)) if accepted.whole else (low, high)
            row = {"name": name, "minValue": ends[0], "maxValue": ends[1]}
            ranges.setdefault(f"{kind}HyperParameterRanges", []).append(row)
    return {"hpoResourceConfig": resources} | ({"algorithmHyperParameterRanges": ranges} if ranges else {})


def weights(events: Mapping[str, Any]) -> dict[str, EventSettings]:
    """Return the settings of each event type, a lone number being its weight."""
    return {
        name: event if isinstance(event, EventSettings) else EventSettings(weight=event)
        for name, event in events.items()
    }


def find_errors(settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return settings of trainings that Personalize would refuse, or that change nothing; see `TAKES`.

    Args:
        settings: the settings file, of any shape.
        recipes: those that the shop trains.
    """
    generation: Literal["v1", "v2"] = "v2" if settings.get("generation") == "v2" else "v1"
    takes = {alias: TAKES[name] for alias in recipes if (name := recipe(alias, generation)) in TAKES}
    errors = list(_event_errors(mapping(settings.get("events")), takes, second=generation == "v2"))
    training = mapping(settings.get("training"))
    for alias, given in training.items():
        path = f"training.{alias}"
        if alias != "all" and alias not in takes:
            text = "the shop does not train this recipe; it trains {recipes}"
            errors.append(at(path, Text("settings.campaign.untrained", text, recipes=", ".join(recipes))))
        elif isinstance(given, Mapping):
            reached = takes if alias == "all" else {alias: takes[alias]}
            errors += [Text.joined("", [f"{path}.", why]) for why in _errors(given, reached, generation)]
    return errors + _tuned_updates(settings, training)


def _event_errors(events: Mapping[Any, Any], takes: Mapping[str, Takes], *, second: bool) -> Iterator[Text]:
    """Yield what is wrong with weights of event types."""
    if not events:
        return
    if not any(taken.events for taken in takes.values()):
        able = [alias for alias in SECOND_GENERATION if alias in takes]
        if second or not able:
            text = "weights of event types need one of the recipes {recipes}, and generation: v2"
            yield at("events", Text("settings.events.recipes", text, recipes=", ".join(SECOND_GENERATION)))
        else:
            text = (
                "generation v1 has no weights of event types: set generation: v2, or let one type train alone, with "
                "training: {{{recipe}: {{event_type: {event}}}}}"
            )
            yield at("events", Text("settings.events.first", text, recipe=able[0], event=_heaviest(events)))
    names = [str(name) for name in events]
    for number, name in enumerate(names):
        if others := [other for other in names[:number] if other.lower() == name.lower()]:
            text = "{others} is the same type in other letters: leave one of them out"
            yield at(f"events.{name}", Text("settings.events.twice", text, others=", ".join(others)))
        if name.lower() == RETURN.lower():
            text = "what comes back shows no interest, and trains nothing unless it is named: leave it out"
            yield at(f"events.{name}", Text("settings.events.return", text))
    if not any(_weight(event) for event in events.values()):
        text = "every weight is 0, so nothing would train: give what counts a weight above 0"
        yield at("events", Text("settings.events.nothing", text))


def _weight(event: object) -> object:
    return event.get("weight") if isinstance(event, Mapping) else event


def _heaviest(events: Mapping[Any, Any]) -> str:
    """Return the name with the greatest weight, of settings of any shape."""
    numbers = {str(name): _weight(event) for name, event in events.items()}
    return max(numbers, key=lambda name: float(value) if isinstance(value := numbers[name], int | float) else 0.0)


def _errors(given: Mapping[Any, Any], takes: Mapping[str, Takes], generation: Literal["v1", "v2"]) -> Iterator[Text]:
    """Yield what is wrong with the settings of a recipe, or of all."""
    values: dict[Member, object] = {
        name: value for name in _MEMBERS if (value := given.get(name)) is not None and (value != {} or name == "tune")
    }
    for name in values:
        if not any(taken.takes(name) for taken in takes.values()):
            yield at(name, _untaken(name, list(takes), generation))
    if "exclude" in values and "include" in values:
        yield at(
            "include", Text("settings.training.both", "Personalize takes exclude or include: leave one of them out")
        )
    for kind, columns in mapping(values.get("exclude")).items():
        always = [column for column in _listed(columns) if column in NEVER_EXCLUDED]
        if always:
            text = "Personalize always trains on {columns}: leave it out of the list"
            yield at(f"exclude.{kind}", Text("settings.training.always", text, columns=", ".join(always)))
    if "threshold" in values and "event_type" not in values:
        text = "needs event_type, the type whose values it is about"
        yield at("threshold", Text("settings.training.threshold", text))
    for member in ("parameters", "features"):
        accepted = {name: value for taken in takes.values() for name, value in getattr(taken, member).items()}
        for name, value in mapping(values.get(member)).items() if accepted else ():
            yield from _value_errors(f"{member}.{name}", str(name), (value,), accepted)
    tuned = {name: value for taken in takes.values() for name, value in taken.tuned.items()}
    for name, values_tried in mapping(mapping(values.get("tune")).get("ranges")).items() if tuned else ():
        yield from _value_errors(f"tune.ranges.{name}", str(name), _listed(values_tried), tuned)


_MEMBERS: tuple[Member, ...] = get_args(Member)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _value_errors(path: str, name: str, values: Iterable[object], accepted: Parameters) -> Iterator[Text]:
    if name not in accepted:
        text = "is not a parameter that it takes; there are {names}"
        yield at(path, Text("settings.training.parameter", text, names=", ".join(accepted)))
    elif any(accepted[name].wire(value) is None for value in values):
        yield at(path, Text("settings.training.value", "must be out of {values}", values=str(accepted[name])))


def _untaken(member: Member, aliases: Sequence[str], generation: Literal["v1", "v2"]) -> Text:
    """Return why none of these recipes takes a member, and what does."""
    if generation == "v2" and set(aliases) & set(SECOND_GENERATION):
        if member in {"event_type", "threshold"}:
            text = "generation v2 weighs event types: use events: {{Purchase: 1}}, with a threshold where it is needed"
            return Text("settings.training.use-events", text)
        if member == "objective":
            text = "generation v2 has no objective: leave it out, or set generation: v1"
            return Text("settings.training.no-objective", text)
        if member == "tune":
            text = "generation v2 has nothing to tune: leave it out, or set generation: v1"
            return Text("settings.training.no-tuning", text)
    able = Text.any_of([name.removeprefix("aws-") for name, taken in TAKES.items() if taken.takes(member)])
    if len(aliases) > 1:
        text = "none of the shop's recipes takes it: leave it out; it is for {others}"
        return Text("settings.training.untaken-by-all", text, others=able)
    text = "{recipe} does not take it: leave it out; it is for {others}"
    return Text("settings.training.untaken", text, recipe=aliases[0] if aliases else "", others=able)


def _tuned_updates(settings: Mapping[Any, Any], training: Mapping[Any, Any]) -> list[Text]:
    """Return errors about schedules that update what is tuned: a tuning is a training in full."""
    tuned = [alias for alias in ("all", "user-personalization") if mapping(training.get(alias)).get("tune") is not None]
    given = settings.get("schedules")
    schedules = [mapping(schedule) for schedule in given] if isinstance(given, list) else []
    if not tuned or not any(schedule.get("training_mode") == "UPDATE" for schedule in schedules):
        return []
    text = "a training with training_mode: UPDATE, which a schedule has, keeps what was tuned before: leave one out"
    return [at(f"training.{tuned[0]}.tune", Text("settings.training.tuned-update", text))]
