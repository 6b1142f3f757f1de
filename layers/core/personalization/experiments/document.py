# SPDX-License-Identifier: Apache-2.0
"""A shop's file of experiments, `drops/<shop>/experiments.yaml`, and what of it the shop's settings cannot do."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from table_intake.settings.files import Timezone
from table_intake.wording import Text

from personalization.core.errors import Rejected
from personalization.core.messages import is_none
from personalization.experiments import interleaving
from personalization.experiments.experiment import RAMP, Goal, Guardrail, Serves, Variant
from personalization.shop.filters import of_purchases, parameters
from personalization.shop.records.release import BASELINE
from personalization.shop.settings import placements
from personalization.shop.settings.diversity import Diversity
from personalization.shop.settings.placements import Fallback, Name, Placement, Promotion, Source
from personalization.shop.settings.settings import ShopSettings, read_document
from personalization.shop.settings.settings_errors import at, explain

MOST_EXPERIMENTS = 50
"""The most experiments of a file."""
MOST_WEEKS = 26
HOLDOUT = "holdout-"
"""The start of the names of holdouts."""
_WEEK = timedelta(weeks=1)
_Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_Run = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class VariantSettings(BaseModel):
    """What a variant shows. Without any member but `weight` it is what serves anyway."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    weight: Annotated[_Percent | None, Field(exclude_if=is_none)] = None
    """Its share of all users, in percent; without weights, all variants share the users alike. It may grow while the
    experiment runs, and never shrinks: whoever is in a variant stays there."""
    show: Annotated[Literal["bestsellers", "buy-again", "off"] | None, Field(exclude_if=is_none)] = None
    """The shop's bestsellers; what the user bought before, by one of the shop's filters; or an empty list, for which
    the page leaves the shelf out."""
    release: Annotated[_Run | None, Field(exclude_if=is_none)] = None
    """The run of another release, whose version of the placements' recipe a second campaign shows."""
    recipe: Annotated[Source | None, Field(exclude_if=is_none)] = None
    """Another recipe, which must have a campaign already."""
    recommender: Annotated[Name | None, Field(exclude_if=is_none)] = None
    """Or one of the shop's recommenders."""
    limit: Annotated[int | None, Field(ge=1, le=100, exclude_if=is_none)] = None
    """Another number of items, for requests that name none."""
    filter: Annotated[Name | None, Field(exclude_if=is_none)] = None
    """Another one of the shop's filters, with the same parameters left to requests."""
    filter_values: Annotated[dict[str, str] | None, Field(exclude_if=is_none)] = None
    """Values of the filter's parameters."""
    promotions: Annotated[tuple[Promotion, ...] | None, Field(max_length=1, exclude_if=is_none)] = None
    """Promoted items."""
    fallback: Annotated[Fallback | None, Field(exclude_if=is_none)] = None
    """Another fallback."""
    diversity: Annotated[Diversity | None, Field(exclude_if=is_none)] = None
    """Another variety."""

    @property
    def changes(self) -> dict[str, Any]:
        """The members of the placement that it changes, by the settings' names."""
        left_out = {"weight", "show", "release"}
        return self.model_dump(mode="json", exclude=left_out, exclude_unset=True, exclude_none=True)

    @property
    def serves(self) -> Serves:
        if self.release:
            return "campaign"
        if self.show == "buy-again":
            return "placement"
        return self.show or ("placement" if self.changes else "as-is")

    @model_validator(mode="after")
    def _one_way(self) -> "VariantSettings":
        if self.show and self.changes:
            text = "shows the {show}, so that nothing else of it counts: leave {names} out"
            names = ", ".join(self.changes)
            raise ValueError(Text("experiments.variant.show", text, show=self.show, names=names))
        if self.release and (self.show or self.changes):
            text = "shows the release {release}, so that nothing else of it counts: leave {names} out"
            names = ", ".join([*(["show"] if self.show else []), *self.changes])
            raise ValueError(Text("experiments.variant.release", text, release=self.release, names=names))
        if self.recipe and self.recommender:
            raise ValueError(Text("settings.placement.source", "names a recipe or a recommender, one of them"))
        return self


class ExperimentSettings(BaseModel):
    """One experiment of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hypothesis: _Sentence
    """What is expected, and why: a sentence for those who read the verdict."""
    owner: _Sentence
    """Who asks."""
    placements: Annotated[tuple[Name, ...], Field(min_length=1, max_length=placements.MAX_PLACEMENTS)]
    """The placements that it changes; those of one page can be one experiment."""
    variants: Annotated[dict[Name, VariantSettings], Field(min_length=2, max_length=6)]
    """What users get, by name."""
    control: Annotated[Name | None, Field(exclude_if=is_none)] = None
    """The variant that others are compared with: by default the first that changes nothing, else the first."""
    compare: Annotated[Literal["interleaved"] | None, Field(exclude_if=is_none)] = None
    """`interleaved`: all of its users see both rankers, in one list. Otherwise each user is in one variant."""
    goal: Goal
    """What decides; all else is seen and does not decide."""
    guardrails: tuple[Guardrail, ...] = ()
    """What must not get worse: an experiment that harms one of them stops by itself."""
    start: Annotated[date | datetime | None, Field(exclude_if=is_none)] = None
    """When it starts: a day or a time; at once by default."""
    end: Annotated[date | datetime | None, Field(exclude_if=is_none)] = None
    """When it ends, whole weeks after `start`; or `weeks` says how many."""
    weeks: Annotated[int | None, Field(ge=1, le=MOST_WEEKS, strict=True, exclude_if=is_none)] = None
    """How many weeks it runs."""
    namespace: Annotated[Name | None, Field(exclude_if=is_none)] = None
    """Experiments of one namespace share the users out: nobody is in two of them."""

    @field_validator("placements")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _consistent(self) -> "ExperimentSettings":
        if (self.end is None) == (self.weeks is None):
            text = "needs an end: weeks, such as 4, or a start and an end; one of them"
            raise ValueError(Text("experiments.end", text))
        if self.end is not None and self.start is None:
            raise ValueError(Text("experiments.start", "has an end without a start: give weeks instead"))
        if self.control is not None and self.control not in self.variants:
            text = "the control {control} is none of its variants ({variants})"
            raise ValueError(Text("experiments.control", text, control=self.control, variants=", ".join(self.variants)))
        weights = [variant.weight for variant in self.variants.values()]
        if len({weight is None for weight in weights}) == 2:
            raise ValueError(Text("experiments.weights.some", "some variants have a weight: give all of them one"))
        if sum(weight or 0 for weight in weights) > 100:
            raise ValueError(Text("experiments.weights.sum", "the weights are percent of all users: 100 at most"))
        if sum(variant.release is not None for variant in self.variants.values()) > 1:
            text = "two of its variants show other releases, and a recipe has one second campaign: name one release"
            raise ValueError(Text("experiments.releases", text))
        alike = [variant.model_dump(exclude={"weight"}) for variant in self.variants.values()]
        if any(variant in alike[:index] for index, variant in enumerate(alike)):
            raise ValueError(Text("experiments.variants.alike", "two of its variants show the same"))
        if self.compare == "interleaved" and (why := interleaving.why_not(self)):
            raise ValueError(why)
        return self

    @property
    def chosen_control(self) -> str:
        as_is = (name for name, variant in self.variants.items() if variant.serves == "as-is")
        return self.control or next(as_is, next(iter(self.variants)))

    @property
    def release(self) -> str | None:
        """The run of the other release that one of its variants shows; None if none does."""
        return next((variant.release for variant in self.variants.values() if variant.release), None)

    @property
    def weights(self) -> dict[str, float]:
        """The share of each variant, in percent."""
        return {name: variant.weight or 100 / len(self.variants) for name, variant in self.variants.items()}

    @property
    def definition(self) -> str:
        """A digest of all but the weights."""
        content = self.model_dump(mode="json", exclude={"variants": {"__all__": {"weight"}}})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def times(self, now: datetime, zone: str) -> tuple[int, int]:
        """Return when it starts and ends, in epoch seconds; days are those of a time zone."""
        start = _moment(self.start, zone) if self.start else now
        end = _moment(self.end, zone) if self.end else start + (self.weeks or 0) * _WEEK
        return int(start.timestamp()), int(end.timestamp())


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of a year, in a time zone."""

    year: int
    number: int
    ends_at: int
    """Epoch seconds."""

    @property
    def name(self) -> str:
        """The name of its holdout."""
        return f"{HOLDOUT}{self.year}-q{self.number}"


def quarter(now: datetime, zone: str) -> Quarter:
    local = now.astimezone(ZoneInfo(zone))
    number = (local.month - 1) // 3 + 1
    after = date(local.year + number // 4, number % 4 * 3 + 1, 1)
    return Quarter(local.year, number, int(_moment(after, zone).timestamp()))


class ExperimentsFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Timezone = "UTC"
    """The time zone of days, and of times without one."""
    holdout: Annotated[float | None, Field(gt=0, le=20, allow_inf_nan=False, exclude_if=is_none)] = None
    """The percent of the users whose lists are never personal, other ones each quarter: what all of it earns."""
    experiments: Annotated[dict[Name, ExperimentSettings], Field(max_length=MOST_EXPERIMENTS)] = {}
    """Experiments by name. A name is used once: what ended keeps its data under it."""

    @field_validator("experiments")
    @classmethod
    def _not_reserved(cls, experiments: dict[str, ExperimentSettings]) -> dict[str, ExperimentSettings]:
        if reserved := [name for name in experiments if name.startswith((HOLDOUT, RAMP))]:
            text = "{names}: such names are those of holdouts and ramps; choose another one"
            raise ValueError(Text("experiments.reserved", text, names=", ".join(reserved)))
        return experiments


def read(key: str, content: bytes) -> ExperimentsFile:
    """Parse a file of experiments; an empty one means none.

    Raises:
        Rejected: it is not YAML or JSON, or has an unknown name or an invalid value; all errors are told at once.
    """
    document, problems = read_document(key, content)
    file = ExperimentsFile()
    try:
        file = ExperimentsFile.model_validate({} if document is None else document)
    except ValidationError as error:
        problems += explain(error, ExperimentsFile)
    problems += [
        at(f"experiments.{name}", why)
        for name, experiment in file.experiments.items()
        for why in _time_errors(experiment, file.timezone)
    ]
    if problems:
        raise Rejected(key, Text.joined("; ", problems))
    return file


def _time_errors(experiment: ExperimentSettings, zone: str) -> Iterator[Text]:
    if experiment.start is None or experiment.end is None:
        return
    # By the clock on the wall: a week with a change of the clocks is a week.
    start, end = (_local(moment, zone) for moment in (experiment.start, experiment.end))
    lasts = end - start
    if lasts <= timedelta(0) or lasts % _WEEK or lasts > MOST_WEEKS * _WEEK:
        text = "lasts {days:g} days: it must be whole weeks, {most} at most, since weekdays differ"
        yield Text("experiments.weeks", text, days=lasts / timedelta(days=1), most=MOST_WEEKS)


def _local(moment: date, zone: str) -> datetime:
    """Return the time on the wall, without its zone."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if moment.tzinfo else moment


def _moment(moment: date, zone: str) -> datetime:
    if isinstance(moment, datetime) and moment.tzinfo:
        return moment.astimezone(UTC)
    return _local(moment, zone).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def find_errors(name: str, experiment: ExperimentSettings, settings: ShopSettings) -> list[Text]:
    """Return what the shop's settings cannot do of an experiment."""
    return [at(f"experiments.{name}", why) for why in _errors(experiment, settings)]


def _errors(experiment: ExperimentSettings, settings: ShopSettings) -> Iterator[Text]:
    shelves = settings.placements
    missing = [placement for placement in experiment.placements if placement not in shelves]
    if missing:
        text = "{names} is none of the shop's placements ({known})"
        none = Text("settings.filter.none", "it has none")
        yield at(
            "placements",
            Text("experiments.placement", text, names=", ".join(missing), known=", ".join(shelves) or none),
        )
        return
    for why in _no_second_campaign(experiment, settings):
        yield at("variants", why)
    bought = of_purchases(settings.filters, settings.event_type)
    for name, variant in experiment.variants.items():
        if variant.show == "buy-again" and bought is None:
            expression = f'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("{settings.event_type}")'
            text = "needs a filter of what the user bought: give the settings one, such as bought: {expression}"
            yield at(f"variants.{name}", Text("experiments.buy-again", text, expression=expression))
            continue
        if variant.show == "off" and set(experiment.placements) == set(shelves):
            text = "would leave the shop without any list: it has no other placements"
            yield at(f"variants.{name}", Text("experiments.off", text))
        if variant.serves == "placement":
            for placement in experiment.placements:
                for why in _unfit(variant, shelves[placement], settings):
                    yield at(
                        f"variants.{name}", Text("experiments.on-placement", "on {placement}", placement=placement), why
                    )
    if experiment.compare == "interleaved" and (reason := interleaving.unfit(experiment, settings)):
        yield at("compare", reason)


def _no_second_campaign(experiment: ExperimentSettings, settings: ShopSettings) -> Iterator[Text]:
    """Return why a second campaign cannot show another release on the experiment's placements."""
    if all(variant.release is None for variant in experiment.variants.values()):
        return
    recipes = {settings.placements[placement].recipe for placement in experiment.placements}
    recipe = next(iter(recipes))
    if len(recipes) > 1 or recipe is None:
        text = "another release is shown by a second campaign of one recipe: name placements that all have this recipe"
        yield Text("experiments.release.recipes", text)
    elif recipe not in settings.deployed:
        text = "{recipe} has no campaign, so that no release of it can be shown"
        yield Text("experiments.release.campaign", text, recipe=recipe)


def _unfit(variant: VariantSettings, placement: Placement, settings: ShopSettings) -> Iterator[Text]:
    """Return why a placement cannot be as a variant wants it."""
    changed = _changed(placement, variant, settings)
    document = {"placements": {"changed": changed}, "domain": settings.domain}
    problems = placements.find_errors(document, settings.trained, settings.filters)
    if problems:
        yield from problems
        return
    try:
        other = Placement.model_validate(changed)
    except ValidationError as error:
        yield from explain(error, Placement)
        return
    if variant.recipe and variant.recipe != BASELINE and variant.recipe not in settings.deployed:
        text = (
            "{recipe} has no campaign: name it under campaigns in the settings, and see the run's report for its price"
        )
        yield at("recipe", Text("experiments.campaign", text, recipe=variant.recipe))
    if variant.recommender and variant.recommender not in settings.recommenders:
        text = "{name} is none of the shop's recommenders"
        yield at("recommender", Text("experiments.recommender", text, name=variant.recommender))
    if variant.show == "buy-again" and placement.starts_from_item:
        text = "shows what the user bought, and the placement starts from an item"
        yield Text("experiments.buy-again.item", text)
    if other.starts_from_item and not placement.starts_from_item:
        text = "starts from an item, which requests for this placement do not name"
        yield Text("experiments.item", text)
    if _left(other, settings) != _left(placement, settings):
        text = "leaves other parameters of its filter to requests than the placement does"
        yield at("filter", Text("experiments.parameters", text))


def _changed(placement: Placement, variant: VariantSettings, settings: ShopSettings) -> dict[str, Any]:
    """Return a placement's settings with the changes of a variant."""
    entry = placement.model_dump(mode="json", exclude_defaults=True)
    changes = variant.changes
    if variant.show == "buy-again":
        changes = {"filter": of_purchases(settings.filters, settings.event_type)}
    if {"recipe", "recommender"} & changes.keys():
        for source in ("recipe", "recommender", "because"):
            entry.pop(source, None)
    if "filter" in changes:
        entry.pop("filter_values", None)
    return {**entry, **changes}


def _left(placement: Placement, settings: ShopSettings) -> set[str]:
    """Return the parameters of a placement's filter whose values each request gives."""
    expression = settings.filters.get(placement.filter or "", "")
    return set(parameters(expression, ())) - set(placement.filter_values)


@dataclass(frozen=True, slots=True)
class OtherRelease:
    """What a second campaign is to show of another release."""

    recipe: str
    version: str
    """The solution version."""


def variants(
    experiment: ExperimentSettings,
    settings: ShopSettings,
    context: tuple[str, ...],
    other: OtherRelease | None = None,
) -> tuple[Variant, ...]:
    """Return the variants as they are stored.

    Args:
        experiment, settings: without errors, by `find_errors`.
        context: the columns of Interactions that a request may give as context.
        other: that of the variant that names a release; None where none does.
    """
    made: list[Variant] = []
    for name, variant in experiment.variants.items():
        if variant.serves != "placement":
            stored = Variant(name=name, serves=variant.serves)
            if variant.release and other:
                stored = replace(stored, recipe=other.recipe, version=other.version)
            made.append(stored)
            continue
        changed = {
            placement: Placement.model_validate(_changed(settings.placements[placement], variant, settings))
            for placement in experiment.placements
        }
        uses = {recommender: use.recipe for recommender, use in settings.recommenders.items()}
        varied = placements.varied(changed, settings.diversity, settings.filters, uses)
        made.append(Variant(name=name, serves="placement", entries=placements.record(changed, context, varied)))
    return tuple(made)
