# SPDX-License-Identifier: Apache-2.0
"""The questions, what measures an answer, and which recipes answer; each recipe has one primary question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.related.distinctness import bound

from benchmarks.questions import actions, lists, purchases, relations, segments, trends
from benchmarks.questions.answers import Judged, Variant
from benchmarks.questions.figures import Sums
from benchmarks.questions.shop import Shop

UP, RANKING, SIMILAR, SIMS = (
    "aws-user-personalization", "aws-personalized-ranking", "aws-similar-items", "aws-sims"
)  # fmt: skip
UP2 = purchases.RECIPE
TRENDING, COUNT, ACTION = "aws-trending-now", "aws-popularity-count", "aws-next-best-action"
ITEM, ATTRIBUTE = "aws-item-affinity", "aws-item-attribute-affinity"


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    description: str
    metrics: tuple[str, str]
    """The metric that decides, and the one beside it."""
    recipes: tuple[str, ...]
    primary: tuple[str, ...] = ()
    """The recipes whose primary question this is."""
    rules: Callable[[Shop, str], Sequence[Judged]] = lists.rules
    recipe: Callable[[Shop, str, str, str], tuple[Sums, float]] = lists.recipe
    loss: bool = False
    """Whether a small figure is good."""
    bound: Callable[[float], float] | None = None
    """How large both figures may be where the rule has these; such a row fails by this alone."""
    variants: Callable[[Shop], Sequence[Variant]] = lambda _shop: (Variant(),)
    """Ways to train each recipe."""


_LIST = ("NDCG@10", "hits@10")
_SEGMENT = ("prec@1%", "recall@1%")
_TREND = ("growth@25", "taken@25")
_ACTION = ("log-loss", "accuracy")
_RELATED = ("worth@10", "right@10")
_KIND = ("category@10", "title@10")
_DIFFERENT = ("overlap", "bestsell")
_ALL = (
    Question("next-item", "the next item", _LIST, (UP,), (UP,)),
    Question("next-basket", "the next basket", _LIST, (UP,), (UP,)),
    Question(
        "next-purchase", "the next purchase from views and purchases", _LIST, (UP2,), (UP2,),
        purchases.rules, variants=purchases.variants,
    ),
    Question("rest-of-basket", "the rest of a basket", _LIST, (UP,)),
    Question("buy-again", "what is bought again", _LIST, (UP,)),
    Question("something-new", "something new", _LIST, (UP,)),
    Question("similar-next", "what follows an item", _LIST, (SIMILAR, SIMS)),
    Question("also-bought", "what goes with an item", _LIST, (SIMILAR, SIMS)),
    Question(
        "related", "what held-out users took with an item, beyond chance", _RELATED, (SIMILAR, SIMS), (SIMILAR, SIMS),
        relations.rules, relations.recipe,
    ),
    Question(
        "same-session", "what they took in one session with it, beyond chance", _RELATED, (SIMILAR, SIMS), (),
        relations.rules, relations.recipe,
    ),
    Question(
        "same-kind", "whether a list's items share its item's finest category, or words of its title", _KIND,
        (SIMILAR, SIMS), (), relations.rules, relations.recipe,
    ),
    Question(
        "different-lists", "whether different items have different lists", _DIFFERENT, (SIMILAR, SIMS), (),
        relations.different_rules, relations.different_recipe, bound=bound,
    ),
    Question("ranking", "ranking of a list", _LIST, (RANKING,), (RANKING,)),
    Question("new-user", "new users of whom nothing is known", _LIST, (UP, COUNT)),
    Question("new-user-known", "new users with their columns", _LIST, (UP,)),
    Question("new-item", "new items, among themselves", _LIST, (UP,)),
    Question("trending", "what will grow", _TREND, (TRENDING,), (TRENDING,), trends.rules, trends.recipe),
    Question("segment-item", "who will take an item", _SEGMENT, (ITEM,), (ITEM,), segments.rules, segments.recipe),
    Question(
        "segment-attribute", "who will take items of a kind", _SEGMENT, (ATTRIBUTE,), (ATTRIBUTE,),
        segments.rules, segments.recipe,
    ),
    Question(
        "next-action", "whether an action is taken", _ACTION, (ACTION,), (ACTION,),
        actions.rules, actions.recipe, loss=True,
    ),
    Question(
        "new-action", "whether new users take an action", _ACTION, (ACTION,), (),
        actions.rules, actions.recipe, loss=True,
    ),
)  # fmt: skip
QUESTIONS: Mapping[str, Question] = {question.name: question for question in _ALL}
ANSWERED = tuple(sorted({recipe for question in _ALL for recipe in question.recipes}))


def tiers(recipe: str, wanted: Sequence[str]) -> Sequence[str]:
    """Return the tiers to train: those that are asked for, else the fast one and the recipe's default."""
    parameter = RECIPES[recipe].hyperparameters.get("tier")
    if parameter is None:
        return ("",)
    return [tier for tier in wanted or dict.fromkeys(("fast", parameter.default)) if tier in parameter.values]
