# SPDX-License-Identifier: Apache-2.0
"""Training of User-Personalization and Personalized-Ranking: counting, in a few passes over the interactions."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import EventParameters, Model, TrainingConfig
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.items import Catalogue, by_popularity, places
from personalize_local.recipes.common.rows import Floats, Ints, Rows, renumbered
from personalize_local.recipes.ltr.trees import Rankers, Trees
from personalize_local.recipes.popularity import training as popularity_training
from personalize_local.recipes.sequence import training as sequence_training
from personalize_local.recipes.spec import RecipeSpec
from personalize_local.recipes.user_personalization import ease_training, rankers
from personalize_local.recipes.user_personalization.cold_items import Unseen
from personalize_local.recipes.user_personalization.metadata import LIFTED, People, allowed
from personalize_local.recipes.user_personalization.model import BACKWARD, FROM, TO, PersonalModel
from personalize_local.recipes.user_personalization.online_counts import DECAY
from personalize_local.recipes.user_personalization.recency_windows import Pulses, span
from personalize_local.recipes.user_personalization.settings import Settings
from personalize_local.recipes.user_personalization.statistics import (
    created,
    gaps,
    popularity,
    repeat_share,
    return_rates,
)

KEPT = 300
"""Followers that are kept for each item."""
NEAR, WALKED = 200, 100
"""Neighbours, and neighbours' neighbours, that are kept for each item."""
SPEAKING = (1000, 2000)
"""Items, the most popular ones, whose speaking for each other is learned: where counts answer, and for rankers."""
DIMENSIONS = 48
"""Length of an item's vector."""
_LATEST: list[tuple[object, "Learned"]] = []
"""What this process learned last, and from what."""
_COUNTED: list[tuple[object, PersonalModel]] = []
"""What this process counted last, and from what: without the users that a recipe is measured on, and with them."""
SHARED = 3_000_000
"""Rows up to which counts are kept for the next recipe; of more, memory is dearer than time."""
UNSEEN = 0.001
"""Part of the prior that every item has, interactions or none."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What held-out moments told."""

    rankers: Rankers
    taste: float
    """See Settings."""
    clock: bool = True
    """Whether times are a clock."""
    deep: bool = False
    """Whether the rankers ask a network."""


def fit(
    snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig, tuned: Model | None = None
) -> PersonalModel:
    """Count, put the counts in the form that serves, and let rankers learn if they are not taken over from `tuned`.

    User-Personalization and Personalized-Ranking of one drop share all of it.
    """
    options = {**spec.defaults(), **config.hyperparameters}
    same = (_digest(snapshot, rows), options, config.excluded_columns)
    if isinstance(tuned, PersonalModel):
        learned = Learned(tuned.rankers, tuned.settings.taste, tuned.settings.clock, tuned.deep)
    else:
        learned = _learned(same, snapshot, rows, spec, config)
    ranked = learned.rankers.for_histories
    how: _How = {"clock": learned.clock, "taste": learned.taste, "ranked": ranked, "deep": learned.deep}
    found = next((model for known, model in _COUNTED if known == (same, how)), None)
    if found is None:
        found = count(snapshot, rows, spec, config, **how)
        _COUNTED[:] = [*_COUNTED[-1:], ((same, how), found)] if len(rows) <= SHARED else []
    return found.of_recipe(spec, _events(config)).with_rankers(learned.rankers)


class _How(TypedDict, total=False):
    """The last arguments of `count`."""

    clock: bool
    taste: float
    ranked: bool
    deep: bool


def _learned(same: object, snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig) -> Learned:
    """What held-out moments tell; what they told of the `same` before, if that is what is asked for again."""
    if _LATEST and _LATEST[0][0] == same:
        return _LATEST[0][1]

    def counted(past: Rows, **how: Unpack[_How]) -> PersonalModel:
        return count(snapshot, past, spec, config, **how)

    taste = ease_training.share(snapshot, rows, lambda past: counted(past, clock=True, taste=1.0, ranked=False))
    learned = Learned(Rankers(), taste)
    tier = {**spec.defaults(), **config.hyperparameters}.get("tier", "standard").lower()
    if tier != "fast":
        splits, deep = rankers.splits(rows), tier == "deep"
        clock = splits[0].clock
        trained, deep = rankers.learn(
            snapshot, rows, splits, lambda past: counted(past, clock=clock, taste=taste, deep=deep)
        )
        if clock:
            trained = replace(trained, newcomers=_newcomers(snapshot, rows, config))
        learned = Learned(trained, taste, clock, deep)
    _LATEST[:] = [(same, learned)]
    return learned


def _newcomers(snapshot: Snapshot, rows: Rows, config: TrainingConfig) -> Trees | None:
    order = by_popularity(snapshot.items, popularity(rows, recent=False))
    rows = renumbered(rows, places(order))
    born = created(
        rows, {name: column[order] for name, column in allowed(snapshot.item_columns, config, "ITEMS").items()}
    )
    return popularity_training.learn(People(snapshot, rows, config).timeline(clock=True), LIFTED, born)


def _digest(snapshot: Snapshot, rows: Rows) -> bytes:
    digest = blake2b()
    for array in (rows.user, rows.item, rows.time, rows.weight):
        digest.update(array.tobytes())
    tables = (snapshot.items, snapshot.users, snapshot.item_columns, snapshot.user_columns, snapshot.context)
    digest.update(pickle.dumps(tables, protocol=5))
    return digest.digest()


def count(  # noqa: PLR0913 - what is known of the data, and what is wanted
    snapshot: Snapshot,
    rows: Rows,
    spec: RecipeSpec,
    config: TrainingConfig,
    *,
    clock: bool,
    taste: float,
    ranked: bool = True,
    deep: bool = False,
) -> PersonalModel:
    """Count, and put the counts in the form that serves; what only rankers look at is left out if there are none.

    `deep`: train the network too.
    """
    options = {**spec.defaults(), **config.hyperparameters}
    recent = _on(options, "recency_mask") and _on(options, "apply_recency_bias")
    order = by_popularity(snapshot.items, popularity(rows, recent=recent))
    rows = renumbered(rows, places(order))
    seen = np.bincount(rows.item, minlength=rows.items)
    prior = popularity(rows, recent=recent)
    people = People(snapshot, rows, config)
    settings = Settings(
        recipe=spec.name,
        recipe_type=spec.recipe_type,
        second_generation=spec.events_config,
        sequence=int(options.get("bptt", 50)),
        recency=1.0 if recent else 0.3,
        repeats=repeat_share(rows),
        sequence_share=0.95,
        taste=taste,
        latest=float(np.max(rows.time)),
        clock=clock,
        scores_shown=spec.scores_shown,
        by_kind=not ranked,
        seasons=people.seasons,
        events=_events(config),
    )
    columns = {name: column[order] for name, column in allowed(snapshot.item_columns, config, "ITEMS").items()}
    born, content = created(rows, columns), Content.of(columns, rows.items)
    files: dict[str, npt.NDArray[Any]] = {
        **_sources(rows, seen, prior, ranked=ranked, content=content if deep else None),
        "taste": ease_training.speaking(rows, SPEAKING[ranked] if taste else 0),
        **content.arrays(),
        **Unseen.of(content, seen, born).arrays(),
        "prior": (1 - UNSEEN) * prior / prior.sum() + UNSEEN / rows.items,
        "returns": return_rates(rows).astype(np.float32),
        "gaps": gaps(rows).astype(np.float32),
        "pulse": Pulses.of(rows.time, rows.item, rows.items, span(rows.time)).at(int(np.max(rows.time)) + 1),
        "seen": seen.astype(np.int32),
        "shown": np.zeros(rows.items, np.int64) if snapshot.impressions is None else snapshot.impressions[order],
        "created": born,
        **people.arrays(),
        **popularity_training.at_the_end(people.timeline(clock=clock), LIFTED, born).arrays(),
    }
    return PersonalModel(settings, Catalogue(snapshot.items[order]), files, people.facts())


def _sources(
    rows: Rows, seen: Ints, prior: Floats, *, ranked: bool, content: Content | None
) -> dict[str, npt.NDArray[Any]]:
    """What follows what; for a ranker (else empty) what goes with what, and what both say in two steps.

    With `content`, the network too.
    """
    popular = np.maximum(seen, 1).astype(np.float64)
    pairs = cooccurrence.pairs(rows, decay=DECAY)
    follow = cooccurrence.scaled(cooccurrence.both_ways(pairs, backward=BACKWARD), popular**FROM, popular**TO)
    near = (
        cooccurrence.scaled(cooccurrence.both_ways(pairs, backward=1.0), popular**-0.5, popular**-0.5)
        if ranked
        else pairs[:0]
    )
    together = cooccurrence.scaled(cooccurrence.together(rows), popular**-0.5, popular**-0.5) if ranked else pairs[:0]
    recent = (prior / prior.sum() + 1e-9) / (seen / max(int(seen.sum()), 1) + 1e-9)
    network = None if content is None else sequence_training.learn(rows, content, near)
    return {
        **({} if network is None else network.arrays()),
        **cooccurrence.pruned(follow, KEPT).arrays("follows"),
        **cooccurrence.pruned(near, NEAR).arrays("near"),
        **cooccurrence.pruned(together, NEAR).arrays("together"),
        **(cooccurrence.two_steps(near, WALKED) if ranked else cooccurrence.pruned(near, WALKED)).arrays("walk"),
        "factors": cooccurrence.factors(near, DIMENSIONS) if ranked else np.zeros((rows.items, 0), np.float32),
        "recent": recent.astype(np.float32),
    }


def _events(config: TrainingConfig) -> tuple[EventParameters, ...]:
    """The events that train, as `eventsConfig` names them; none = all."""
    if config.events or (config.event_type is None and config.event_value_threshold is None):
        return config.events
    return (EventParameters(config.event_type or "", config.event_value_threshold),)


def _on(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "true").lower() == "true"
