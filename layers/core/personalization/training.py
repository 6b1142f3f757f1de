# SPDX-License-Identifier: Apache-2.0
"""The recipes that a shop can train, and how a run finds the solution version that it started."""

from collections.abc import Mapping

from personalization.settings import RecipeAlias

RECIPES: Mapping[RecipeAlias, str] = {
    "user-personalization": "aws-user-personalization",
    "personalized-ranking": "aws-personalized-ranking",
    "similar-items": "aws-similar-items",
    "popularity-count": "aws-popularity-count",
}
"""Personalize's recipe names by our aliases."""

LOOK_BACK = 20
"""The newest solution versions among which a run looks for its own."""


def newest(versions: list[tuple[float, str]]) -> list[str]:
    """The ARNs of the newest solution versions, newest first, from creation times (epoch seconds) and ARNs."""
    return [arn for _, arn in sorted(versions, reverse=True)[:LOOK_BACK]]
