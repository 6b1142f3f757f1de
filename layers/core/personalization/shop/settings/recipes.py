# SPDX-License-Identifier: Apache-2.0
"""The recipes that a shop can train, by their aliases in settings."""

from typing import Literal, get_args

RecipeAlias = Literal[
    "user-personalization",
    "personalized-ranking",
    "similar-items",
    "popularity-count",
    "trending-now",
    "semantic-similarity",
    "next-best-action",
]
Generation = Literal["v1", "v2"]
"""The generation of Personalize's recipes that personalize."""

RECIPES: tuple[RecipeAlias, ...] = ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")
"""What a shop trains whose settings name none."""
TRAINABLE: tuple[RecipeAlias, ...] = get_args(RecipeAlias)
"""Every recipe that settings can name: a shop may have resources of any of them."""
SEGMENTS = ("item-affinity", "item-attribute-affinity")
"""Personalize's recipes that make segments of users. Batch jobs train them; no campaign serves them."""
SECOND_GENERATION = ("user-personalization", "personalized-ranking")
"""The recipes that have a second generation."""
TRENDING = "trending-now"
"""The recipe that shows everybody what is wanted more and more."""
SEMANTIC = "semantic-similarity"
"""The recipe that compares items by their names and descriptions."""
NEXT_BEST_ACTION = "next-best-action"
"""The recipe that chooses among the shop's actions, not among its items."""
FROM_ITEM = ("similar-items", SEMANTIC)
"""The recipes whose lists start from an item, the usual one first."""


def recipe(alias: str, generation: Generation = "v1") -> str:
    """Return Personalize's name of a recipe; recipes with a single generation have one name."""
    return f"aws-{alias}-v2" if generation == "v2" and alias in SECOND_GENERATION else f"aws-{alias}"
