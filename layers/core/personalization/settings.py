# SPDX-License-Identifier: Apache-2.0
"""A shop's own settings, `drops/<shop>/settings.yaml` or `.json`. Without the file, retail defaults."""

import json
import re
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from personalization import gates
from personalization.errors import Rejected
from personalization.gates import Gate, Probe, RecipeGate
from personalization.prices import Prices

RecipeAlias = Literal["user-personalization", "personalized-ranking", "similar-items", "popularity-count"]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,149}$")]

NOT_PURCHASED = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'
RECIPES: tuple[RecipeAlias, ...] = ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")


RATE = re.compile(r"rate\((1 (hour|day)|([2-9]|[1-9]\d{1,3}) (hours|days))\)")
CRON = re.compile(r"cron\((\S+ ){5}\S+\)")
"""Six fields: minutes, hours, day of the month, month, day of the week, year."""


class Schedule(BaseModel):
    """A time at which the shop's recipes are trained on the data that is there, without a drop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
    every: str
    """`rate(7 days)`, or `cron(0 3 ? * MON *)`."""
    timezone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,49}$")] = "UTC"
    """The time zone of a cron expression, such as Europe/Berlin."""
    action: Literal["retrain"] = "retrain"
    training_mode: Literal["FULL", "UPDATE"] = "FULL"
    """UPDATE adds new items and interactions to the last full training, and is for user-personalization alone."""
    recipes: tuple[RecipeAlias, ...] = ()
    """Those of the shop's recipes that are trained; none named means all of them."""

    @field_validator("every")
    @classmethod
    def _is_a_time(cls, every: str) -> str:
        if not RATE.fullmatch(every) and not CRON.fullmatch(every):
            raise ValueError("write rate(7 days), rate(1 day), rate(12 hours) or cron(0 3 ? * MON *)")
        return every

    @model_validator(mode="after")
    def _updates_what_can_be_updated(self) -> Self:
        if self.training_mode == "UPDATE" and set(self.recipes) != {"user-personalization"}:
            raise ValueError("training_mode UPDATE needs recipes: [user-personalization], the only one that has it")
        return self


class RejectSettings(BaseModel):
    """How many bad rows a drop may have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.01
    """The share of a drop's rows that may be bad: they are left out. With more of them the drop is refused."""


class ShopSettings(BaseModel):
    """Everything that a shop can choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Literal["ecommerce", "custom"] = "ecommerce"
    """The kind of dataset group, chosen when the shop is first dropped and never changed."""
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)] = "Purchase"
    """The event type of interactions that come without one."""
    recipes: Annotated[tuple[RecipeAlias, ...], Field(min_length=1)] = RECIPES
    """The recipes that are trained, each with a campaign."""
    filters: dict[FilterName, Annotated[str, StringConstraints(min_length=1, max_length=2500)]] = {
        "not-purchased": NOT_PURCHASED
    }
    """Filter expressions by name. An expression never changes under its name: give a changed one a new name."""
    columns: dict[str, ColumnName] = {}
    """The shop's column names, in any case, and the name that Personalize knows each by."""
    defaults: dict[ColumnName, str | int | float] = {}
    """Values for columns that a drop lacks, and for their empty cells."""
    rejects: RejectSettings = RejectSettings()
    """How many bad rows a drop may have."""
    prices: Prices = Prices()
    """What the estimates in reports are made with."""
    gate: Gate = Gate()
    """What a new solution version must reach before it may serve."""
    probe: Probe = Probe()
    """What a campaign must answer after its update, or else it goes back to the version before."""
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=10)] = ()
    """Times at which recipes are trained without a drop."""

    @field_validator("recipes")
    @classmethod
    def _each_once(cls, recipes: tuple[RecipeAlias, ...]) -> tuple[RecipeAlias, ...]:
        return tuple(dict.fromkeys(recipes))

    @field_validator("schedules")
    @classmethod
    def _each_name_once(cls, schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
        names = [schedule.name for schedule in schedules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two schedules are named {', '.join(twice)}")
        return schedules

    @model_validator(mode="after")
    def _trains_its_own_recipes(self) -> Self:
        for schedule in self.schedules:
            if strange := [alias for alias in schedule.recipes if alias not in self.recipes]:
                raise ValueError(f"schedule {schedule.name} names {', '.join(strange)}, which recipes leaves out")
        return self

    @property
    def personalize_domain(self) -> Literal["ECOMMERCE"] | None:
        """The domain as Personalize writes it; a custom dataset group has none."""
        return "ECOMMERCE" if self.domain == "ecommerce" else None


def parse(key: str, text: str) -> ShopSettings:
    """Read a settings file; an empty one means the defaults.

    Args:
        key: the file's key, for messages; one that ends in `.json` is read as JSON and any other as YAML.
        text: its content.

    Raises:
        Rejected: it is not YAML or JSON, has a key that we do not know, or a value that does not fit.
    """
    document = _json(key, text) if key.endswith(".json") else _yaml(key, text)
    problems: list[str] = []
    chosen = ShopSettings()
    try:
        chosen = ShopSettings.model_validate({} if document is None else document)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
    # In one go with the others, so that nobody has to drop the file once for each mistake.
    problems += gates.impossible(document, _recipes(document))
    if problems:
        raise Rejected(key, "; ".join(problems))
    return chosen


def _recipes(document: object) -> list[str]:
    named = document.get("recipes") if isinstance(document, dict) else None
    return [str(name) for name in named] if isinstance(named, list) else list(RECIPES)


_SECTIONS: dict[str, type[BaseModel]] = {
    "gate": Gate,
    "probe": Probe,
    "schedules": Schedule,
    "rejects": RejectSettings,
    "prices": Prices,
}


def _known(place: tuple[object, ...]) -> type[BaseModel]:
    """The settings among which a name at this place is looked for."""
    if place[0] == "gate" and len(place) > 2:
        return RecipeGate
    return _SECTIONS.get(str(place[0]), ShopSettings) if len(place) > 1 else ShopSettings


def _explain(problem: object) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        known = _known(problem["loc"])
        return f"{place} is not a setting; the settings are {', '.join(known.model_fields)}"
    message = re.sub(r"^Input should be", "must be", str(problem["msg"]).removeprefix("Value error, "))
    return f"{place or 'the file'}: {message}"


def _json(key: str, text: str) -> object:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise Rejected(key, f"is not JSON: {error}") from None


def _yaml(key: str, text: str) -> object:
    import yaml  # noqa: PLC0415 - only a settings file needs it

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Rejected(key, f"is not YAML: {' '.join(str(error).split())}") from None
