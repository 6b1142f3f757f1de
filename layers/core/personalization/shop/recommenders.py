# SPDX-License-Identifier: Apache-2.0
"""Personalize's use cases for shops that a run makes beside the campaigns: the setting `recommenders`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from personalization.core.status import ACTIVE, Progress, is_stopped, progress

UseCase = Literal[
    "recommended-for-you",
    "customers-who-viewed-x-also-viewed",
    "frequently-bought-together",
    "best-sellers",
    "most-viewed",
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
Action = Literal["create", "update", "nothing", "busy"]
MOST = 5
"""Recommenders of a dataset group, as Personalize allows."""
NEEDED_EVENTS = 1_000
"""Events of its type that a use case needs."""


class Recommender(BaseModel):
    """One use case that the shop wants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: UseCase
    """It never changes under a name: give a changed one a new name."""
    minimum_rps: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Requests a second that are always there, and are billed whether asked for or not; None leaves it as it is."""
    metadata: StrictBool | None = None
    """Whether answers can carry columns of Items, for which there must be an Items dataset; None leaves it as it is."""

    @property
    def config(self) -> dict[str, int | bool]:
        """The members of Personalize's `recommenderConfig` that the settings decide."""
        members = {
            "minRecommendationRequestsPerSecond": self.minimum_rps,
            "enableMetadataWithRecommendations": self.metadata,
        }
        return {name: value for name, value in members.items() if value is not None}

    @property
    def recipe(self) -> str:
        """Personalize's name of the use case's recipe."""
        return _USES[self.use_case].recipe


Recommenders = Annotated[dict[Name, Recommender], Field(max_length=MOST)]


@dataclass(frozen=True, slots=True)
class _Use:
    recipe: str
    trains_on: str = ""
    """The event type of which it needs many; empty where any will do."""


_DEFAULTS: Mapping[str, int | bool] = {
    "minRecommendationRequestsPerSecond": 1,
    "enableMetadataWithRecommendations": False,
}
"""Personalize's own."""
_USES: Mapping[UseCase, _Use] = {
    "recommended-for-you": _Use("aws-ecomm-recommended-for-you"),
    "customers-who-viewed-x-also-viewed": _Use("aws-ecomm-customers-who-viewed-x-also-viewed", "View"),
    "frequently-bought-together": _Use("aws-ecomm-frequently-bought-together", "Purchase"),
    "best-sellers": _Use("aws-ecomm-popular-items-by-purchases", "Purchase"),
    "most-viewed": _Use("aws-ecomm-popular-items-by-views", "View"),
}


def impossible(document: object) -> list[str]:
    """What contradicts itself, each with its place.

    Args:
        document: the settings as they were written, of any shape.
    """
    settings = _mapping(document)
    made, custom = _mapping(settings.get("recommenders")), settings.get("domain") == "custom"
    found = [f"recommenders.{name}: a shop with domain: custom has none" for name in made if custom]
    for slot, placement in _mapping(settings.get("placements")).items():
        name = _mapping(placement).get("recommender")
        shows = isinstance(name, str) and _mapping(placement).get("metadata")
        if shows and name in made and not _mapping(made[name]).get("metadata"):
            found.append(f"placements.{slot}.metadata: the recommender {name} shows it only with metadata: true")
    return found


def possible(
    wanted: Mapping[str, Recommender], events: Mapping[str, int] | None
) -> tuple[dict[str, Recommender], list[str]]:
    """Those that the data are enough for, and a remark on each of the others.

    Args:
        wanted: by name.
        events: how many there are of each type in the shop's whole history; None where nobody has counted them, so
            that Personalize decides.
    """
    made: dict[str, Recommender] = {}
    remarks: list[str] = []
    for name, each in wanted.items():
        kind = _USES[each.use_case].trains_on
        # Capitals are not minded here: where Personalize minds them, it says so itself.
        have = sum(rows for told, rows in (events or {}).items() if told.lower() == kind.lower())
        if events is None or not kind or have >= NEEDED_EVENTS:
            made[name] = each
            continue
        remarks.append(
            f"the recommender {name} is not made: {each.use_case} needs {NEEDED_EVENTS:,} events of type {kind}, and "
            f"the file has {have:,}. Events that were sent to the API are not counted; a retraining asks Personalize"
        )
    return made, remarks


def unmade(wanted: Mapping[str, Recommender], shown: Iterable[str]) -> list[str]:
    """A remark on each recommender that placements show (`shown`, by name) and no run makes.

    A shop that makes all of its recommenders by hand knows, and is told nothing.
    """
    names = dict.fromkeys(name for name in shown if wanted and name not in wanted)
    return [f"a placement shows the recommender {name}, which no run makes: the settings lack it" for name in names]


def unnamed(wanted: Mapping[str, Recommender], there: Mapping[str, str]) -> list[str]:
    """A remark on each recommender of the shop that bills and that no settings name.

    Args:
        wanted: those of the settings, by name.
        there: the statuses of those that exist, by name.
    """
    serves = {Progress.READY, Progress.UNDER_WAY}
    bills = (name for name, status in there.items() if progress(status) in serves and not is_stopped(status))
    names = sorted(name for name in bills if name not in wanted)
    return [
        f"the recommender {name} is not in the settings: no run touches it, and it bills until it is deleted "
        "(delete-recommender) or the shop is removed"
        for name in names
    ]


def decide(found: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Action:
    """The next action towards a recommender with this configuration.

    Args:
        found: the recommender as Personalize describes it, or None if there is none.
        config: the members of its configuration that are asked for; others stay as they are.

    Returns:
        `create` or `update`; `nothing` while what was asked for last is this, and of one that somebody has stopped;
        `busy` while Personalize works on something else.
    """
    if found is None:
        return "create"
    latest = found.get("latestRecommenderUpdate") or {}
    moving = progress(latest["status"]) if latest else Progress.READY
    if moving is Progress.UNDER_WAY:
        return "nothing" if _has(latest, config) else "busy"
    if is_stopped(found["status"]):
        return "nothing"
    if _has(found, config) and not (moving is Progress.FAILED and _has(latest, config)):
        return "nothing"
    return "update" if progress(found["status"]) is Progress.READY else "busy"


def towards(found: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, str]:
    """How far a recommender is on its way to a configuration: ACTIVE, a failure with its reason, or under way.

    An update counts if it is for this configuration: while it runs, and after it failed, the recommender itself stays
    ACTIVE. One that somebody has stopped is left so.

    Args:
        found: the recommender as Personalize describes it.
        config: the members of its configuration that are asked for.
    """
    if is_stopped(found["status"]):
        return {"status": ACTIVE}
    latest = found.get("latestRecommenderUpdate") or {}
    counts = progress(found["status"]) is Progress.READY and latest and _has(latest, config)
    told = latest if counts else found
    return {"status": told["status"], "failureReason": told.get("failureReason") or ""}


def _has(told: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    there = told.get("recommenderConfig") or {}
    # What Personalize leaves out is as it is by default.
    return all(there.get(name, _DEFAULTS.get(name)) == value for name, value in config.items())


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
