# SPDX-License-Identifier: Apache-2.0
"""`compare: interleaved` in a shop's file: what of an experiment two rankers in one list cannot do, and what it costs.

Each of its users sees both rankers, so that nothing of a user's orders tells the two apart: only which items they
choose does.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from table_intake.wording import Text

from personalization.experiments.experiment import INTERLEAVED, Serves
from personalization.shop.records.release import BASELINE
from personalization.shop.settings.placements import Placement
from personalization.shop.settings.prices import thousand_answers
from personalization.shop.settings.settings import ShopSettings

GOALS = ("clicks", "orders")
RANKERS = {"recipe", "recommender"}
"""What names a ranker; other members of a variant change the list as a whole."""


class Wanted(Protocol):
    """What a variant of the file wants, see `document.VariantSettings`."""

    @property
    def weight(self) -> float | None: ...

    @property
    def serves(self) -> Serves: ...

    @property
    def changes(self) -> Mapping[str, object]: ...


class Experiment(Protocol):
    """An experiment of the file, see `document.ExperimentSettings`."""

    @property
    def placements(self) -> Sequence[str]: ...

    @property
    def variants(self) -> Mapping[str, Wanted]: ...

    @property
    def goal(self) -> str: ...

    @property
    def guardrails(self) -> Sequence[str]: ...


def why_not(experiment: Experiment) -> Text | None:
    """Return why an experiment cannot be interleaved, whatever the shop's settings are; None if it can."""
    return next(_reasons(experiment), None)


def _reasons(experiment: Experiment) -> Iterator[Text]:
    variants = experiment.variants
    if len(variants) != 2:
        text = "interleaved compares two rankers, and it has {count} variants: leave two"
        yield Text("experiments.interleaved.two", text, count=len(variants))
    if len(experiment.placements) != 1:
        text = "interleaved needs one placement: a user may prefer another ranker on each shelf"
        yield Text("experiments.interleaved.placement", text)
    if INTERLEAVED in variants:
        text = "no variant of it may be called {name}: that is what all of its users get"
        yield Text("experiments.interleaved.name", text, name=INTERLEAVED)
    if experiment.goal not in GOALS:
        text = "interleaved is decided by clicks or orders: the money of a mixed list belongs to both rankers"
        yield Text("experiments.interleaved.goal", text)
    if experiment.guardrails:
        text = "interleaved has no guardrails: each user sees both rankers, so nothing of a user is due to one of them"
        yield Text("experiments.interleaved.guardrails", text)
    if len({variant.weight for variant in variants.values()}) > 1:
        text = "both variants of it go to the same users: give them the same weight, which is half of these users"
        yield Text("experiments.interleaved.weights", text)
    for name, variant in variants.items():
        if variant.serves == "off":
            text = "{name} is off, and a list that is not there cannot be mixed: compare it by an A/B test"
            yield Text("experiments.interleaved.off", text, name=name)
        if variant.serves == "placement" and not variant.changes:
            text = "{name} is as long as what the user bought, and both lists must have one length: use an A/B test"
            yield Text("experiments.interleaved.length", text, name=name)
        if others := sorted(variant.changes.keys() - RANKERS):
            text = (
                "{name} changes {members}, and a mixed list has one of each: name a recipe, a recommender or "
                "bestsellers alone, and compare the rest by an A/B test"
            )
            yield Text("experiments.interleaved.members", text, name=name, members=", ".join(others))


def unfit(experiment: Experiment, settings: ShopSettings) -> Text | None:
    """Return why the shop's placement cannot show both rankers in one list; None if it can."""
    placement = settings.placements[experiment.placements[0]]
    if placement.promotions:
        text = "its placement promotes items, which have places of their own in the lists of both: use an A/B test"
        return Text("experiments.interleaved.promotions", text)
    if placement.filter and any(variant.serves == "bestsellers" for variant in experiment.variants.values()):
        text = (
            "its placement has a filter, which bestsellers do not have, so that a list would mix both: use an A/B test"
        )
        return Text("experiments.interleaved.filter", text)
    rankers = [_ranker(variant, placement) for variant in experiment.variants.values()]
    if rankers[0] == rankers[1]:
        text = "both variants have one ranker, {ranker}: nobody can prefer one of them"
        return Text("experiments.interleaved.same", text, ranker=rankers[0][0])
    return None


def price(
    experiment: Experiment, settings: ShopSettings, versions: Mapping[str, str]
) -> tuple[dict[str, float | None], float]:
    """Return the dollars of a thousand answers of each variant, None where unknown; and of a thousand lists.

    Each list asks both. Bestsellers cost nothing: the application has them.

    Args:
        experiment, settings: what the file says of it, and the shop's settings.
        versions: the solution versions of other releases, by variant: each is billed as its backend is.
    """
    placement = settings.placements[experiment.placements[0]]
    dollars: dict[str, float | None] = {}
    for name, variant in experiment.variants.items():
        source = _ranker(variant, placement)[0]
        if source in settings.deployed:
            dollars[name] = thousand_answers(settings.prices, settings.billed(source, versions.get(name, "")))
        else:
            dollars[name] = 0.0 if source == BASELINE else None
    return dollars, sum(value or 0.0 for value in dollars.values())


def _ranker(variant: Wanted, placement: Placement) -> tuple[str, bool]:
    """Return the recipe or the recommender of a variant, and whether it shows another version of it."""
    if variant.serves == "bestsellers":
        return BASELINE, False
    named = next((variant.changes[key] for key in ("recipe", "recommender") if key in variant.changes), None)
    return str(named or placement.recipe or placement.recommender), variant.serves == "campaign"
