# SPDX-License-Identifier: Apache-2.0
"""The setting `recommenders`: Personalize's ECOMMERCE use cases beside the campaigns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from table_intake.wording import Text

from personalization.core.status import ACTIVE, Progress, is_stopped, progress
from personalization.shop.settings.campaigns import mapping
from personalization.shop.settings.settings_errors import at

UseCase = Literal[
    "recommended-for-you",
    "customers-who-viewed-x-also-viewed",
    "frequently-bought-together",
    "best-sellers",
    "most-viewed",
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
Action = Literal["create", "update", "nothing", "busy"]
MAX_RECOMMENDERS = 5
"""The most recommenders in a dataset group, by Personalize's quota."""
NEEDED_EVENTS = 1_000
"""The least events of its type that a use case needs."""


class Recommender(BaseModel):
    """One use case of the shop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: UseCase
    """It is fixed for a name: give a changed one a new name."""
    minimum_rps: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Provisioned requests a second, billed whether used or not; None leaves the number unchanged."""
    metadata: StrictBool | None = None
    """Whether answers can have columns of Items, which needs an Items dataset; None leaves it unchanged."""

    @property
    def config(self) -> dict[str, int | bool]:
        """The members of Personalize's `recommenderConfig` in the settings."""
        members = {
            "minRecommendationRequestsPerSecond": self.minimum_rps,
            "enableMetadataWithRecommendations": self.metadata,
        }
        return {name: value for name, value in members.items() if value is not None}

    @property
    def recipe(self) -> str:
        return _USES[self.use_case].recipe


Recommenders = Annotated[dict[Name, Recommender], Field(max_length=MAX_RECOMMENDERS)]


@dataclass(frozen=True, slots=True)
class _Use:
    recipe: str
    trains_on: str = ""
    """The event type that it needs many of; empty if any type counts."""


_DEFAULTS: Mapping[str, int | bool] = {
    "minRecommendationRequestsPerSecond": 1,
    "enableMetadataWithRecommendations": False,
}
"""Personalize's defaults."""
_USES: Mapping[UseCase, _Use] = {
    "recommended-for-you": _Use("aws-ecomm-recommended-for-you"),
    "customers-who-viewed-x-also-viewed": _Use("aws-ecomm-customers-who-viewed-x-also-viewed", "View"),
    "frequently-bought-together": _Use("aws-ecomm-frequently-bought-together", "Purchase"),
    "best-sellers": _Use("aws-ecomm-popular-items-by-purchases", "Purchase"),
    "most-viewed": _Use("aws-ecomm-popular-items-by-views", "View"),
}

_POPULAR: tuple[UseCase, ...] = ("best-sellers", "most-viewed")


CUSTOM = Text("settings.custom", "a shop with domain: custom has none")


def find_errors(settings: Mapping[Any, Any]) -> list[Text]:
    """Return contradictions in a settings file, each with its place."""
    made, custom = mapping(settings.get("recommenders")), settings.get("domain") == "custom"
    errors = [at(f"recommenders.{name}", CUSTOM) for name in made if custom]
    for slot, placement in mapping(settings.get("placements")).items():
        name = mapping(placement).get("recommender")
        diversity = mapping(mapping(placement).get("diversity"))
        use = mapping(made.get(name)).get("use_case") if isinstance(name, str) else None
        if diversity and diversity.get("enabled", True) and use in _POPULAR:
            text = "the recommender {name} shows what is popular, as it is"
            errors.append(at(f"placements.{slot}.diversity", Text("settings.popular", text, name=name)))
    return errors


def is_popular(recipe: str | None, *, unknown: bool) -> bool:
    """Return whether a recommender of this recipe (an ARN) shows what is popular; `unknown` without a recipe."""
    return unknown if recipe is None else recipe.endswith(tuple(_USES[use_case].recipe for use_case in _POPULAR))


def possible(
    wanted: Mapping[str, Recommender], events: Mapping[str, int] | None
) -> tuple[dict[str, Recommender], list[str]]:
    """Return the recommenders with enough data, by name, and a note on each of the others.

    Args:
        wanted: by name.
        events: events by type in the shop's whole history; None if they are unknown, so that Personalize decides.
    """
    made: dict[str, Recommender] = {}
    remarks: list[str] = []
    for name, recommender in wanted.items():
        kind = _USES[recommender.use_case].trains_on
        # Case is ignored here; Personalize reports it where it matters.
        have = sum(rows for told, rows in (events or {}).items() if told.lower() == kind.lower())
        if events is None or not kind or have >= NEEDED_EVENTS:
            made[name] = recommender
            continue
        text = (
            "the recommender {name} is not made: {use} needs {needed:,} events of type {type}, and the file has "
            "{have:,}. Events that were sent to the API are not counted; a retraining asks Personalize"
        )
        values = {"name": name, "use": recommender.use_case, "needed": NEEDED_EVENTS, "type": kind, "have": have}
        remarks.append(Text("note.recommender-few", text, **values))
    return made, remarks


def unmade(wanted: Mapping[str, Recommender], shown: Iterable[str]) -> list[str]:
    """Return a note on each recommender that placements show (`shown`, by name) and no run makes.

    A shop that makes all its recommenders by hand gets no notes.
    """
    names = dict.fromkeys(name for name in shown if wanted and name not in wanted)
    text = "a placement shows the recommender {name}, which no run makes: the settings lack it"
    return [Text("note.recommender-unmade", text, name=name) for name in names]


def unnamed(wanted: Mapping[str, Recommender], statuses: Mapping[str, str]) -> list[str]:
    """Return a note on each billed recommender (of `statuses`, by name) that the settings do not name."""
    serves = {Progress.READY, Progress.UNDER_WAY}
    bills = (name for name, status in statuses.items() if progress(status) in serves and not is_stopped(status))
    names = sorted(name for name in bills if name not in wanted)
    text = (
        "the recommender {name} is not in the settings: no run touches it, and it bills until it is deleted "
        "(delete-recommender) or the shop is removed"
    )
    return [Text("note.recommender-unnamed", text, name=name) for name in names]


def decide(recommender: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Action:
    """Return the next action of a recommender, as Personalize describes it, towards the members in `config`.

    `nothing` if the latest request was for this configuration, or the recommender was stopped by hand; `busy` while
    Personalize works on another change.
    """
    if recommender is None:
        return "create"
    latest = recommender.get("latestRecommenderUpdate") or {}
    moving = progress(latest["status"]) if latest else Progress.READY
    if moving is Progress.UNDER_WAY:
        return "nothing" if _has(latest, config) else "busy"
    if is_stopped(recommender["status"]):
        return "nothing"
    if _has(recommender, config) and not (moving is Progress.FAILED and _has(latest, config)):
        return "nothing"
    return "update" if progress(recommender["status"]) is Progress.READY else "busy"


def progress_to(recommender: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a recommender's progress towards a configuration: ACTIVE, in progress, or a failure with its reason.

    Only an update to this configuration counts: during it, and after its failure, the recommender itself stays ACTIVE.
    A recommender that was stopped by hand is left alone.
    """
    if is_stopped(recommender["status"]):
        return {"status": ACTIVE}
    latest = recommender.get("latestRecommenderUpdate") or {}
    counts = progress(recommender["status"]) is Progress.READY and latest and _has(latest, config)
    source = latest if counts else recommender
    return {"status": source["status"], "failureReason": source.get("failureReason") or ""}


def _has(recommender: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    current = recommender.get("recommenderConfig") or {}
    # Members that Personalize leaves out have their default.
    return all(current.get(name, _DEFAULTS.get(name)) == value for name, value in config.items())
