# SPDX-License-Identifier: Apache-2.0
"""The recipes that a shop can train, by their aliases in settings."""

from typing import Literal

RecipeAlias = Literal["user-personalization", "personalized-ranking", "similar-items", "popularity-count"]
Generation = Literal["v1", "v2"]
"""The generation of Personalize's recipes that personalize."""

RECIPES: tuple[RecipeAlias, ...] = ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")
"""What a shop trains whose settings name none."""
SEGMENTS = ("item-affinity", "item-attribute-affinity")
"""Personalize's recipes that make segments of users. Batch jobs train them; no campaign serves them."""
SECOND_GENERATION = ("user-personalization", "personalized-ranking")
"""The recipes that have a second generation."""


def recipe(alias: str, generation: Generation = "v1") -> str:
    """Return Personalize's name of a recipe; recipes with a single generation have one name."""
    return f"aws-{alias}-v2" if generation == "v2" and alias in SECOND_GENERATION else f"aws-{alias}"
