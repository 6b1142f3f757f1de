# SPDX-License-Identifier: Apache-2.0
"""Placements in experiments: which variant somebody gets, told before it is applied, and a cache of what runs."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from personalization.core.errors import PersonalizationError
from personalization.experiments import assignment, exposures
from personalization.experiments.assignment import Unit
from personalization.experiments.experiment import INTERLEAVED, RECORD, Experiment, Experiments, Variant
from personalization.shop.records import release_store
from personalization.shop.records.release import Release
from personalization.shop.settings.recipes import FROM_ITEM

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MOST_SHOPS = 100


class LiveExperiments:
    """A cache of shops' experiments that have not ended; while the table does not answer, the old ones go on.

    `fetch` reads them from the table.
    """

    def __init__(self, fetch: Callable[[str], tuple[Experiment, ...]]) -> None:
        self._fetch = fetch
        self._by_shop: dict[str, tuple[float, tuple[Experiment, ...]]] = {}

    def get(self, shop: str, now: float) -> tuple[Experiment, ...]:
        """Return a shop's experiments; `now` is in seconds of a clock that only moves forward."""
        until, experiments = self._by_shop.get(shop, (now, ()))
        if now < until:
            return experiments
        seconds = release_store.REMEMBER_SECONDS
        try:
            experiments = self._fetch(shop)
        except PersonalizationError:
            # What is known goes on; where nothing is, a minute without exposures would be lost.
            if shop not in self._by_shop:
                seconds = release_store.REMEMBER_NONE_SECONDS
        if len(self._by_shop) >= _MOST_SHOPS:
            self._by_shop.clear()
        self._by_shop[shop] = (now + seconds, experiments)
        return experiments


def fetch(client: "Callable[[], DynamoDBClient]", table: Callable[[], str]) -> Callable[[str], tuple[Experiment, ...]]:
    """Return the function that reads a shop's experiments, in one attempt; its client is created on first use."""

    def read(shop: str) -> tuple[Experiment, ...]:
        record = release_store.get(client(), table(), shop, RECORD, stale=True)
        every = Experiments.read(record).experiments if record else ()
        return tuple(experiment for experiment in every if experiment.stopped_at is None)

    return read


class Rivals(NamedTuple):
    """Two rankers that share a placement's list."""

    variants: tuple[str, str]
    """Their names, the control first."""
    release: Release
    """That of the second one; `Assigned.release` has the first one."""
    seed: str
    """By which coins are thrown: of the user, the placement and the day, so that a page shows the same again."""


class Assigned(NamedTuple):
    """What a user gets."""

    release: Release
    """The release with the user's variants applied."""
    variants: Mapping[str, tuple[str, Variant]]
    """By placement: the experiment's name, and the user's variant of it."""
    rivals: Mapping[str, Rivals] = {}
    """By placement, where the user sees both variants in one list."""

    def is_off(self, placement: str) -> bool:
        return placement in self.variants and self.variants[placement][1].serves == "off"

    def variant(self, placement: str) -> str:
        """Return the name of a placement's variant, with the experiment's; empty outside of experiments."""
        if placement not in self.variants:
            return ""
        experiment, variant = self.variants[placement]
        return f"{experiment}.{variant.name}"

    def side(self, placement: str, name: str) -> str:
        """Return the name of one variant of an interleaved placement, with the experiment's."""
        return f"{self.variants[placement][0]}.{name}"

    def named(self, placement: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Return a placement's answer, which names its experiment and variant, if it is in one."""
        if placement not in self.variants:
            return answer
        experiment, variant = self.variants[placement]
        return {**answer, "experiment": {"name": experiment, "variant": variant.name}}


class _Running:
    """An experiment that runs, with what answers have of it alike."""

    __slots__ = ("_changed", "draw", "experiment", "openings", "shown")

    def __init__(self, shop: str, experiment: Experiment) -> None:
        self.experiment = experiment
        self.draw = assignment.Draw(experiment).variant
        self.shown = {
            variant.name: Variant(name=INTERLEAVED) if experiment.interleaved else variant
            for variant in experiment.variants
        }
        self.openings = {
            variant.name: exposures.opening(shop, experiment.name, variant.name) for variant in self.shown.values()
        }
        self._changed: dict[tuple[str, str], tuple[Release, Release]] = {}
        """By variant and placement: the last release that it changed, and what it made of it."""

    def changed(self, release: Release, variant: Variant, placement: str) -> Release:
        """Return a release with a variant applied, as it was made for an earlier request of the same release."""
        if variant.serves in {"as-is", "off"}:
            return release
        key = (variant.name, placement)
        before, after = self._changed.get(key, (None, release))
        if before is not release:
            fits = assignment.is_servable(release, variant, placement)
            after = assignment.with_variant(release, variant, [placement]) if fits else release
            self._changed[key] = (release, after)
        return after


class _Plan:
    """What runs of a shop's experiments, made once for as long as neither they nor the release changes."""

    __slots__ = ("by_placement", "holdouts", "live", "placements", "release", "since", "until")

    def __init__(self, live: tuple[Experiment, ...], release: Release, now: float) -> None:
        self.live, self.release = live, release
        times = [time for experiment in live for time in (experiment.starts_at, experiment.last_second)]
        self.since = max((time for time in times if time <= now), default=-math.inf)
        self.until = min((time for time in times if time > now), default=math.inf)
        # A ramp has the users whom the shop's own experiments leave, who stay in those while it grows.
        running = sorted(
            (_Running(release.shop, experiment) for experiment in live if experiment.runs(now)),
            key=lambda running: (not running.experiment.is_holdout, running.experiment.ramp is not None),
        )
        self.holdouts = [part for part in running if part.experiment.is_holdout]
        self.placements = frozenset(name for part in running for name in part.experiment.placements)
        self.by_placement = {
            name: [part for part in running if name in part.experiment.placements]
            for name in self.placements & release.placements.keys()
        }


_plans: dict[str, _Plan] = {}
"""By shop."""


def _plan(live: tuple[Experiment, ...], release: Release, now: float) -> _Plan:
    plan = _plans.get(release.shop)
    if plan is None or plan.live is not live or plan.release is not release or not plan.since <= now < plan.until:
        if len(_plans) >= _MOST_SHOPS:
            _plans.clear()
        plan = _plans[release.shop] = _Plan(live, release, now)
    return plan


def unpersonalized(release: Release, placements: Iterable[str]) -> Assigned:
    """Return what somebody gets who objects: the bestsellers, but where a list starts from an item alone."""
    personal = [
        name
        for name in placements
        if name in release.placements and release.placements[name].get("recipe") not in FROM_ITEM
    ]
    return Assigned(assignment.with_variant(release, Variant(name="", serves="bestsellers"), personal), {})


def assigned(
    live: tuple[Experiment, ...],
    release: Release,
    unit_of: Callable[[], Unit | None],
    placements: Collection[str],
    *,
    now: float,
    tell: Callable[[str], object],
) -> Assigned:
    """Return what somebody gets in placements, after telling every exposure of it.

    Args:
        live: the shop's experiments.
        release: the shop's release.
        unit_of: returns who asks; None for somebody without a lasting id, who is in no experiment. It may read, so that
            it is called only where an experiment runs on one of the placements.
        placements: those of the request.
        now: epoch seconds.
        tell: takes the log line of an exposure.
    """
    plan = _plan(live, release, now)
    unit = None if plan.placements.isdisjoint(placements) else unit_of()
    if unit is None:
        return Assigned(release, {})
    drawn = unit.drawn_bytes()
    draws = {part: part.draw(drawn) for part in plan.holdouts}
    # Whoever is held out is in nothing else, on no placement.
    is_held_out = bool(draws) and any(variant and variant.serves != "as-is" for variant in draws.values())
    variants: dict[str, tuple[str, Variant]] = {}
    rivals: dict[str, Rivals] = {}
    told: set[str] = set()
    for placement in placements:
        for part in plan.by_placement.get(placement, ()):
            if part in draws:
                variant = draws[part]
            else:
                variant = draws[part] = None if is_held_out else part.draw(drawn)
            if variant is None:
                continue
            experiment, shown = part.experiment, part.shown[variant.name]
            if experiment.name not in told:
                told.add(experiment.name)
                tell(exposures.line(part.openings[shown.name], unit, placement, milliseconds=int(now * 1000)))
            if variant.serves == "as-is" and experiment.is_holdout:
                continue
            variants[placement] = (experiment.name, shown)
            if experiment.interleaved:
                variant, other = _sides(experiment)
                day = datetime.fromtimestamp(now, UTC).date()
                rivals[placement] = Rivals(
                    variants=(variant.name, other.name),
                    release=part.changed(release, other, placement),
                    seed=f"{experiment.name}\0{placement}\0{unit.drawn}\0{day}",
                )
            release = part.changed(release, variant, placement)
            break
    return Assigned(release, variants, rivals)


def _sides(experiment: Experiment) -> tuple[Variant, Variant]:
    """Return the two variants of an interleaved experiment, the control first."""
    other = next(variant for variant in experiment.variants if variant.name != experiment.control)
    return experiment.variant(experiment.control), other
