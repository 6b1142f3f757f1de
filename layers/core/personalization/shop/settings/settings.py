# SPDX-License-Identifier: Apache-2.0
"""A shop's settings: `drops/<shop>/settings.yaml`, `.yml` or `.json`. Without a file, retail defaults."""

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from functools import cached_property, partial
from operator import eq, not_
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationError, field_validator
from table_intake import DataKind, TableSettings
from table_intake.settings.files import Timezone
from table_intake.wording import LANGUAGES, Language, Text

from personalization.core.errors import Rejected
from personalization.core.messages import is_none
from personalization.core.names import Backend, backend_of
from personalization.shop.filters import NOT_PURCHASED
from personalization.shop.records.release import BASELINE, FALLBACK, on, recipe_of
from personalization.shop.settings import (
    actions,
    backend,
    batch,
    campaigns,
    gate,
    lists,
    placements,
    recommenders,
    training,
)
from personalization.shop.settings.attribution import MetricAttribution
from personalization.shop.settings.backend import Recipe, RecipeOn
from personalization.shop.settings.batch import Batch
from personalization.shop.settings.campaigns import CAMPAIGN_QUOTA, CampaignSettings, mapping, switched_off
from personalization.shop.settings.cron import Every
from personalization.shop.settings.diversity import USUAL, Diversity
from personalization.shop.settings.gate import OWN_METRICS, Gate, Probe
from personalization.shop.settings.likelihood import Likelihood
from personalization.shop.settings.lists import USUAL_LISTS, Lists
from personalization.shop.settings.placements import Placements
from personalization.shop.settings.prices import Billed, Prices
from personalization.shop.settings.recipes import (
    NEXT_BEST_ACTION,
    RECIPES,
    SECOND_GENERATION,
    SEMANTIC,
    TRAINABLE,
    Generation,
    RecipeAlias,
    recipe,
)
from personalization.shop.settings.recommenders import Recommenders
from personalization.shop.settings.settings_errors import at, explain, twice_in_json, twice_in_yaml
from personalization.shop.settings.shelves import USUAL_SHELVES, Shelves
from personalization.shop.settings.storefront import USUAL_STOREFRONT, Storefront
from personalization.shop.settings.training import Events, EventSettings, Training

FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]


class Schedule(BaseModel):
    """A time at which the shop's recipes are trained on existing data, without a drop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
    every: Every
    """`rate(7 days)`, or `cron(0 3 ? * MON *)`."""
    timezone: Timezone = "UTC"
    """The time zone of a cron expression, such as Europe/Berlin."""
    action: Literal["retrain"] = "retrain"
    training_mode: Literal["FULL", "UPDATE"] = "FULL"
    """UPDATE adds new items and interactions to the last full training; only user-personalization has it."""
    recipes: tuple[RecipeAlias, ...] = ()
    """Those of the shop's recipes that are trained; all by default."""


class Erasure(BaseModel):
    """Actions after a deletion of users."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retrain_within_days: Annotated[int, Field(ge=1, le=365, strict=True)] = 30
    """Days after which models are trained without deleted users, if no other run has promoted since."""


class ShopSettings(TableSettings, BaseModel):
    """All settings of a shop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Language = "en"
    """The language of reports and pages: en or ko."""
    backend: Annotated[Backend, Field(exclude_if=partial(eq, "personalize"))] = "personalize"
    """Who trains and answers: Amazon Personalize, or the engine in the shop's own account."""
    fallback: Annotated[Literal["engine"] | None, Field(exclude_if=is_none)] = None
    """Who answers first where Amazon Personalize does not: the engine, which then trains as well. By default earlier
    answers and popular items do."""
    recipes: Annotated[tuple[Recipe, ...], Field(min_length=1)] = RECIPES
    """The trained recipes: names, or a name and a backend of its own; see `trained` and `deployed`."""
    filters: dict[FilterName, Annotated[str, StringConstraints(min_length=1, max_length=2500)]] = {
        "not-purchased": NOT_PURCHASED
    }
    """Filter expressions by name. An expression is fixed for its name: give a changed one a new name."""
    prices: Prices = Prices()
    """The prices for estimates in reports."""
    gate: Gate = Gate()
    """Requirements on a new solution version before it serves."""
    probe: Probe = Probe()
    """Requirements on a campaign after its update; a failure restores the version before."""
    generation: Generation = "v1"
    """The generation of recipes that have two."""
    events: Annotated[Events, Field(exclude_if=not_)] = {}
    """How much each type of events counts in trainings of generation v2; only those that are named train. Without it,
    all types train and count the same."""
    training: Annotated[Training, Field(exclude_if=not_)] = {}
    """How recipes train, by recipe, or for all of them."""
    campaigns: dict[RecipeAlias, CampaignSettings] = {}
    """Campaign settings by recipe; a campaign keeps what is not set here."""
    deploy: StrictBool = True
    """Whether recipes get campaigns; without them nothing bills while idle, and only batch jobs answer."""
    unused_campaigns: Literal["delete", "keep"] = "delete"
    """Whether campaigns that the settings no longer name are deleted after a promotion."""
    most_campaigns: Annotated[int, Field(ge=1, le=100, strict=True, exclude_if=partial(eq, CAMPAIGN_QUOTA))] = (
        CAMPAIGN_QUOTA
    )
    """Personalize's quota of campaigns in the shop's dataset group, where AWS has raised it."""
    likelihood: Likelihood = Likelihood()
    """The target of the purchase likelihood."""
    recommenders: Recommenders = {}
    """Recommenders that runs create and update, by name."""
    placements: Placements = {}
    """Named slots of the shop."""
    metric_attribution: Annotated[MetricAttribution, Field(exclude_if=not_)] = {}
    """What Personalize counts of events and reports in CloudWatch, by name; without it nothing is made or changed."""
    lists: Annotated[Lists, Field(exclude_if=partial(eq, USUAL_LISTS))] = USUAL_LISTS
    """The recipes that answer the API's lists of similar and of popular items."""
    diversity: Annotated[Diversity, Field(exclude_if=partial(eq, USUAL))] = USUAL
    """Variety in placements and in lists of similar items."""
    erasure: Erasure = Erasure()
    """Actions after a deletion of users."""
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=10)] = ()
    """Times at which recipes are trained without a drop."""
    batch: Annotated[Batch, Field(max_length=20)] = {}
    """Batch inference jobs and user segments, by name."""
    storefront: Annotated[Storefront, Field(exclude_if=partial(eq, USUAL_STOREFRONT))] = USUAL_STOREFRONT
    """How the storefront shows the shop."""
    shelves: Annotated[Shelves, Field(exclude_if=partial(eq, USUAL_SHELVES))] = USUAL_SHELVES
    """How the figures of placements are counted and told."""

    @field_validator("recipes")
    @classmethod
    def _each_once(cls, recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        different = tuple(dict.fromkeys(recipes))
        names = {entry.name if isinstance(entry, RecipeOn) else entry for entry in different}
        if len(names) < len(different):
            raise ValueError(Text("settings.recipe-twice", "name a recipe once, with or without a backend of its own"))
        return different

    @cached_property
    def backends(self) -> dict[RecipeAlias, Backend]:
        """Who trains each recipe, and answers with it."""
        chosen: dict[RecipeAlias, Backend] = {}
        for entry in self.recipes:
            if isinstance(entry, RecipeOn):
                chosen[entry.name] = entry.backend
            else:
                chosen[entry] = self.backend
        return chosen

    @property
    def trained(self) -> tuple[RecipeAlias, ...]:
        """The recipes that the shop trains."""
        return tuple(self.backends)

    @property
    def home(self) -> Backend:
        """Whose all of the shop's is but its recipes: Amazon Personalize's, unless the engine has all recipes."""
        return "engine" if set(self.backends.values()) == {"engine"} else "personalize"

    @property
    def is_on_both(self) -> bool:
        """Whether the engine imports and trains beside Amazon Personalize."""
        return self.home == "personalize" and (bool(self.fallback) or "engine" in self.backends.values())

    @property
    def is_spare_engine(self) -> bool:
        """Whether the engine only answers where Amazon Personalize does not."""
        return self.is_on_both and "engine" not in self.backends.values()

    @cached_property
    def deployed(self) -> tuple[RecipeAlias, ...]:
        """The recipes with a campaign: all but the baseline, unless it is named for one or trained alone."""
        return _deployed(self.trained, self.campaigns) if self.deploy else ()

    def trained_on(self, of_backend: Backend) -> tuple[RecipeAlias, ...]:
        """Return the recipes of a backend."""
        return tuple(alias for alias, its in self.backends.items() if its == of_backend)

    def deployed_on(self, of_backend: Backend) -> tuple[RecipeAlias, ...]:
        """Return the recipes of a backend that have a campaign."""
        return tuple(alias for alias in self.trained_on(of_backend) if alias in self.deployed)

    @cached_property
    def fallback_aliases(self) -> tuple[str, ...]:
        """The recipes that the engine trains, to answer where Amazon Personalize does not, by their aliases there.

        A recipe that is on the engine needs no other.
        """
        service = (alias for alias in self.trained_on("personalize") if alias != NEXT_BEST_ACTION)
        return tuple(on(alias, "engine") for alias in service) if self.fallback else ()

    @property
    def spare_aliases(self) -> tuple[str, ...]:
        """Those of them that no recipe of the shop is judged by."""
        judged = {*self.trained_on("engine")} - {*OWN_METRICS}
        return tuple(alias for alias in self.fallback_aliases if not judged or recipe_of(alias) != BASELINE)

    @cached_property
    def further_aliases(self) -> tuple[str, ...]:
        """The recipes that train on the other backend than their own as well, by their aliases there: for a fallback,
        or as the baseline of the recipes of that backend."""
        if BASELINE not in self.backends:
            return self.fallback_aliases
        other: Backend = "personalize" if self.backends[BASELINE] == "engine" else "engine"
        baseline = [on(BASELINE, other)] if {*self.trained_on(other)} - {*OWN_METRICS} else []
        return tuple(dict.fromkeys((*self.fallback_aliases, *baseline)))

    @cached_property
    def campaign_aliases(self) -> tuple[str, ...]:
        """The aliases of all campaigns of the shop, on both backends."""
        return (*self.deployed, *(alias for alias in self.fallback_aliases if recipe_of(alias) in self.deployed))

    def billed(self, alias: RecipeAlias, version: str = "") -> Billed:
        """Return what determines the cost of a recipe on its backend, or on that of a solution version, by its ARN."""
        second = self.generation == "v2" and alias in SECOND_GENERATION
        campaign = self.campaigns.get(alias, CampaignSettings())
        tps = (campaign.min_provisioned_tps or 1) if alias in self.deployed else None
        hpo = self.solution_members(alias).get("solutionConfig", {}).get("hpoConfig", {})
        return Billed(
            alias=alias,
            generation="v2" if second else "v1",
            tps=tps,
            metadata=bool(campaign.metadata) and alias != SEMANTIC,
            trials=int(hpo["hpoResourceConfig"]["maxNumberOfTrainingJobs"]) if hpo else 0,
            engine=(backend_of(version) if version else self.backends.get(alias, self.backend)) == "engine",
        )

    @property
    def billed_trainings(self) -> tuple[Billed, ...]:
        """What determines the cost of a run's trainings without a fallback's: of each recipe on its backend, and of a
        baseline that the other backend needs."""
        further = [alias for alias in self.further_aliases if alias not in self.fallback_aliases]
        baselines = [Billed(alias=BASELINE, tps=None, engine=alias.startswith(FALLBACK)) for alias in further]
        return (*(self.billed(alias) for alias in self.trained), *baselines)

    @property
    def weights(self) -> dict[str, EventSettings]:
        """How much each type of events counts; empty if all train and count the same."""
        return training.weights(self.events) if self.events else {}

    def solution_members(self, alias: str) -> dict[str, Any]:
        """Return the members of CreateSolution that the settings decide for a recipe, by Personalize's names."""
        if not self.events and not self.training:
            return {}
        chosen = training.chosen(self.training, alias)
        return training.members(recipe(alias, self.generation), chosen, self.weights)

    def solutions(self) -> dict[RecipeAlias, dict[str, Any]]:
        """Return these members for each of the shop's recipes."""
        return {alias: self.solution_members(alias) for alias in self.trained}

    @property
    def digest(self) -> str:
        """Four hexadecimal digits of the settings that change an import's data; another import needs another
        training."""
        included = {"domain", "event_type", "columns", "defaults"}
        # Without returns the digest is the same as before returns existed.
        decides = self.model_dump_json(
            include=included | ({"returns"} if self.returns else set()) | ({"hash"} if self.hash else set())
        )
        kinds: tuple[DataKind, ...] = get_args(DataKind)
        if files := {kind: content for kind in kinds if (content := self.own_file_settings(kind))}:
            decides += json.dumps(files, sort_keys=True)
        return hashlib.sha256(decides.encode()).hexdigest()[:4]


MAX_BYTES = 64 << 10
"""The size limit of a settings file."""


def read(key: str, content: bytes) -> ShopSettings:
    """Parse the bytes of a settings file; see `parse`.

    Raises:
        Rejected: it is larger than MAX_BYTES or not UTF-8, or see `parse`.
    """
    return parse(key, _text(key, content))


def read_document(key: str, content: bytes) -> tuple[object, list[Text]]:
    """Return what a file of a shop's says, and its duplicate names; see `parse` for how it is read.

    Raises:
        Rejected: it is larger than MAX_BYTES, not UTF-8, or neither YAML nor JSON.
    """
    return _document(key, _text(key, content))


def _text(key: str, content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Rejected(key, Text("settings.large", "the file is larger than 64 KiB"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = "the file is not UTF-8: byte {byte}"
        raise Rejected(key, Text("settings.not-utf-8", text, byte=error.start + 1)) from None


def _document(key: str, text: str) -> tuple[object, list[Text]]:
    return _json(key, text) if key.endswith(".json") else _yaml(key, text)


def parse(key: str, text: str) -> ShopSettings:
    """Parse a settings file; an empty one means the defaults.

    Args:
        key: the file's key, for messages; `.json` is parsed as JSON and any other ending as YAML.
        text: its content.

    Raises:
        Rejected: it is not YAML or JSON, or has an unknown key or an invalid value.
    """
    document, problems = _document(key, text)
    chosen = ShopSettings()
    try:
        chosen = ShopSettings.model_validate({} if document is None else document)
    except ValidationError as error:
        problems += explain(error, ShopSettings)
    # All errors are reported at once, so that one corrected drop suffices: these may have any shape.
    given = mapping(document)
    expressions = given.get("filters")
    recipes = [*backend.given_backends(given)]
    filters = expressions if isinstance(expressions, dict) else {"not-purchased": NOT_PURCHASED}
    problems += gate.find_errors(given, recipes) + _schedule_errors(given, recipes)
    problems += placements.find_errors(given, recipes, {str(name): str(text) for name, text in filters.items()})
    problems += recommenders.find_errors(given) + campaigns.find_errors(given, recipes)
    problems += actions.find_errors(given, recipes) + _quota_errors(given, recipes)
    problems += training.find_errors(given, recipes) + lists.find_errors(given, recipes)
    problems += backend.find_errors(given)
    problems += batch.find_errors(given, recipes, {str(name): str(text) for name, text in filters.items()})
    if problems:
        raise Rejected(key, _said(Text.joined("; ", problems), given.get("language")))
    return chosen


def _said(reason: Text, language: object) -> str:
    """Return a reason in the language that the settings name, good or bad as they are."""
    if language not in LANGUAGES or language == "en":
        return reason
    from personalization.reports import pages  # noqa: PLC0415 - templates, which only other languages need

    said: str = pages.said(reason, language)
    return said


def _deployed(recipes: Sequence[RecipeAlias], campaigns: Container[str]) -> tuple[RecipeAlias, ...]:
    """Return the recipes with a campaign: all but the baseline, unless settings name it or it is trained alone."""
    alone = len(recipes) == 1
    return tuple(alias for alias in recipes if alias != BASELINE or alias in campaigns or alone)


def _quota_errors(settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return whether the settings ask for more campaigns than Personalize allows; `recipes` are trained."""
    quota = settings.get("most_campaigns", CAMPAIGN_QUOTA)
    backends = backend.given_backends(settings)
    # The engine allows as many campaigns as there are recipes.
    named = _deployed([alias for alias in TRAINABLE if alias in recipes], mapping(settings.get("campaigns")))
    named = tuple(alias for alias in named if backends[alias] == "personalize")
    if switched_off(settings.get("deploy")) or not isinstance(quota, int):
        return []
    ramped = gate.ramped(mapping(settings.get("gate")).get("ramp"))
    if len(named) == quota and ramped in named:
        text = (
            "needs a second campaign of {recipe} while it lasts, and the {count} campaigns of the settings are all "
            "that Personalize allows a dataset group: leave a recipe out, or have AWS raise the quota and write it as "
            "most_campaigns"
        )
        return [at("gate.ramp", Text("settings.ramp.quota", text, recipe=ramped, count=quota))]
    if len(named) <= quota:
        return []
    text = (
        "{count} campaigns ({campaigns}) are more than the {quota} that Personalize allows a dataset group: leave a "
        "recipe out, or have AWS raise the quota and write it as most_campaigns"
    )
    values = {"count": len(named), "campaigns": ", ".join(named), "quota": quota}
    return [at("recipes", Text("settings.campaigns.quota", text, **values))]


def _schedule_errors(settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return errors in schedules that are valid one by one."""
    given = settings.get("schedules")
    schedules = [mapping(schedule) for schedule in given] if isinstance(given, list) else []
    named = [str(schedule["name"]) for schedule in schedules if "name" in schedule]
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    errors = [at("schedules", Text("settings.schedule.twice", "two are named {name}", name=name)) for name in twice]
    for index, schedule in enumerate(schedules):
        aliases = schedule.get("recipes", [])
        aliases = [str(alias) for alias in aliases] if isinstance(aliases, list) else []
        if strange := [alias for alias in aliases if alias in TRAINABLE and alias not in recipes]:
            left_out = Text(
                "settings.left-out", "{recipe} is left out of the shop's recipes", recipe=", ".join(strange)
            )
            errors.append(at(f"schedules.{index}.recipes", left_out))
        if schedule.get("training_mode") != "UPDATE":
            continue
        if set(aliases) != {"user-personalization"}:
            text = "UPDATE needs recipes: [user-personalization], the only one that has it"
            errors.append(at(f"schedules.{index}.training_mode", Text("settings.schedule.update", text)))
        elif settings.get("generation") == "v2":
            text = "generation v2 has no UPDATE: leave it out, or set generation: v1"
            errors.append(at(f"schedules.{index}.training_mode", Text("settings.schedule.no-update", text)))
    return errors


def _json(key: str, text: str) -> tuple[object, list[Text]]:
    """Return a file's content, and its duplicate names."""
    if not text.strip():
        return None, []
    try:
        return json.loads(text), twice_in_json(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(key, Text("settings.not-json", "is not JSON: {error}", error=str(error))) from None


def _yaml(key: str, text: str) -> tuple[object, list[Text]]:
    from table_intake.settings import yaml_core  # noqa: PLC0415 - PyYAML, which only a settings file needs

    try:
        return yaml_core.load(text), twice_in_yaml(yaml_core.compose(text))
    except (yaml_core.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise Rejected(key, Text("settings.not-yaml", "is not YAML: {error}", error=problem)) from None
