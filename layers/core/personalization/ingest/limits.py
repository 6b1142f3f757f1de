# SPDX-License-Identifier: Apache-2.0
"""How much data a recipe considers, and what a run says where a shop has more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from personalization.shop.campaigns import SECOND_GENERATION, Generation
from personalization.shop.prices import Billed, Prices, campaign_month, estimate
from personalization.shop.settings import ShopSettings


@dataclass(frozen=True, slots=True)
class Limit:
    """What a generation considers in a training; it leaves out the rest."""

    items: int
    interactions: int


LIMITS: Mapping[Generation, Limit] = {"v1": Limit(750_000, 500_000_000), "v2": Limit(5_000_000, 3_000_000_000)}
"""From the developer guide's page on limits."""


def remarks(settings: ShopSettings, items: int, interactions: int) -> tuple[str, ...]:
    """What a run says about a shop that is larger than its recipes consider.

    Args:
        settings: the shop's.
        items: as many as are known.
        interactions: of its whole history; 0 where they are not known.
    """
    recipes = [alias for alias in settings.recipes if alias in SECOND_GENERATION]
    limit = LIMITS[settings.generation]
    found = [
        f"{have:,} {what}: {' and '.join(recipes)} of generation {settings.generation} consider {most:,}, not the rest"
        for what, have, most in (("items", items, limit.items), ("interactions", interactions, limit.interactions))
        if recipes and have > most
    ]
    if found and settings.generation == "v1":
        found.append(_proposal(settings.prices, recipes, interactions))
    return tuple(found)


def _proposal(prices: Prices, recipes: Sequence[str], interactions: int) -> str:
    """What the second generation would cost beside the first, of the recipes that have it."""
    larger = LIMITS["v2"]
    bill: dict[Generation, tuple[float, float]] = {}
    for generation in LIMITS:
        billed = [Billed(alias, generation) for alias in recipes]
        training = estimate(prices, 0, interactions or 1_000_000, billed).training_dollars
        bill[generation] = training, sum(campaign_month(prices, each) for each in billed)
    of = f"{interactions:,} interactions" if interactions else "each million interactions"
    trainings, months = (
        " instead of ".join(f"${bill[generation][part]:,.2f}" for generation in ("v2", "v1")) for part in (0, 1)
    )
    return (
        f"generation: v2 considers {larger.items:,} items and {larger.interactions:,} interactions. A training on {of} "
        f"costs {trainings}, and the campaigns cost at least {months} a month (prices of {prices.as_of})"
    )
