# SPDX-License-Identifier: Apache-2.0
"""GetRecommendations and GetPersonalizedRanking: model, live data and filters combined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

import numpy as np

from personalize_local.answers.catalogue import Catalogue
from personalize_local.data.records import Interaction, Value
from personalize_local.data.schemas import Schema
from personalize_local.filters.evaluation import allowed
from personalize_local.filters.expressions import Condition, Expression, Filter
from personalize_local.filters.values import Mask
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.topk import Scored
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.wire.errors import InvalidInput

MAX_RESULTS: Final = 500
MAX_WITH_METADATA: Final = 50
MAX_METADATA_COLUMNS: Final = 10
_DEFAULT_RESULTS: Final = 25
_OPERATIONS: Final = {
    "PERSONALIZED_RANKING": "GetPersonalizedRanking",
    "PERSONALIZED_ACTIONS": "GetActionRecommendations",
}
"""The operation that answers, by recipe type, where it is not GetRecommendations."""
_OWN_MEMBERS: Final = frozenset({"USER_ID", "ITEM_ID", "TIMESTAMP"})
Json = dict[str, Any]
Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What answers: a campaign or a recommender."""

    arn: str
    """Refusals name it."""
    spec: RecipeSpec
    config: Mapping[str, Any]
    """Its campaignConfig or recommenderConfig."""
    schemas: Callable[[], Mapping[str, Schema]]
    """Returns the schemas of its dataset group, by dataset type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an answer depends on besides its source and the request."""

    catalogue: Catalogue
    history: Sequence[Interaction] = ()
    """Of the request's user, oldest first."""
    user: Mapping[str, Value]
    """The user's metadata; empty if unknown."""
    filter_of: Callable[[str], Filter]
    """Finds a checked filter by its ARN, or refuses."""
    now: float


@dataclass(frozen=True, slots=True)
class Question:
    """A request that passed every check for which no model has to be open."""

    source: Source
    request: Request
    size: int
    """How many items are wanted, or ranked."""
    columns: Mapping[str, str]
    """Items columns to show: as asked → as in the schema."""
    context: Mapping[str, str]


def recommendations(source: Source, request: Request) -> Question:
    """Check a request of GetRecommendations. Raises InvalidInput."""
    return _question(source, request, request.get("numResults", _DEFAULT_RESULTS), "GetRecommendations")


def ranking(source: Source, request: Request) -> Question:
    """Check a request of GetPersonalizedRanking. Raises InvalidInput."""
    return _question(source, request, len(set(request.get("inputList", ()))), "GetPersonalizedRanking")


def recommended(question: Question, facts: Facts, answer_id: str) -> list[Json]:
    """Return the items of an answer, best first, promoted ones among them: the answer's id decides where.

    Raises InvalidInput, and what `facts.filter_of` raises.
    """
    if not question.size:
        return []
    answer = _Answer(question, facts, _query(question, facts))
    request, recommend = question.request, facts.catalogue.model.recommend
    mask = answer.allowed(request)
    promotion = next(iter(request.get("promotions", [])), None)
    if promotion is None:
        return answer.shown(recommend(answer.query, mask, question.size))
    percent = promotion.get("percentPromotedItems")
    count = 0 if percent is None else max(1, round(question.size * percent / 100))
    promoted = recommend(answer.query, answer.allowed(promotion), count) if count else []
    rest = _without(facts.catalogue, mask, promoted)
    organic = recommend(answer.query, rest, question.size - len(promoted))
    draw = np.random.default_rng(crc32(answer_id.encode()))
    places = draw.permutation(len(promoted) + len(organic))[: len(promoted)].tolist()
    items = answer.shown(organic)
    for position, item in zip(sorted(places), answer.shown(promoted, promotion), strict=True):
        items.insert(position, item)
    return items


def ranked(question: Question, facts: Facts) -> list[Json]:
    """Return the items of the request's inputList, best first, those that its filter lets through.

    Raises as `recommended`.
    """
    answer = _Answer(question, facts, _query(question, facts))
    mask = answer.allowed(question.request)
    items = facts.catalogue.model.rank(answer.query, list(dict.fromkeys(question.request["inputList"])))
    if mask is not None:
        unknown = not answer.selects(question.request)
        positions = ((item, facts.catalogue.index_of(item.item_id)) for item in items)
        items = [item for item, position in positions if (unknown if position is None else mask[position])]
    return answer.shown(items)


@dataclass(frozen=True, slots=True)
class _Answer:
    question: Question
    facts: Facts
    query: Query

    def allowed(self, request: Request) -> Mask | None:
        """Return the items that the use case and the filter of the request, or of a promotion, allow; None = all."""
        spec, catalogue, query = self.question.source.spec, self.facts.catalogue, self.query
        automatic = None
        if spec.left_out and query.history:
            automatic = allowed(_without_event(spec.left_out), {}, catalogue, {}, query.history)
        if "filterArn" not in request:
            return automatic
        arn = request["filterArn"]
        expression = self.facts.filter_of(arn)
        item = None
        if expression.uses_current_item:
            if spec.recipe_type != "RELATED_ITEMS" or query.item_id is None:
                raise InvalidInput(f"{arn} uses CurrentItem: it is for RELATED_ITEMS recipes, with an itemId.")
            item = catalogue.live.item(query.item_id)
        mask = allowed(expression, request.get("filterValues", {}), catalogue, query.user, query.history, item)
        return mask if automatic is None else mask & automatic

    def selects(self, request: Request) -> bool:
        """Tell whether the request's filter has an INCLUDE, which no item unknown to the model meets."""
        return any(expression.include for expression in self.facts.filter_of(request["filterArn"]).expressions)

    def shown(self, scored: Sequence[Scored], promotion: Request | None = None) -> list[Json]:
        """Return items as the wire shows them; use cases show neither scores nor reasons."""
        spec = self.question.source.spec
        bare = spec.domain is not None
        promoted = "Promoted item" if promotion is not None and spec.events_config else None
        return [
            {
                "itemId": item.item_id,
                "score": None if bare or item.score is None else round(item.score, 7),
                "reason": [reason] if (reason := promoted or item.reason) and not bare else None,
                "promotionName": promotion.get("name") if promotion else None,
                "metadata": self._metadata(item.item_id) if self.question.columns else None,
            }
            for item in scored
        ]

    def _metadata(self, item_id: str) -> dict[str, str]:
        item = self.facts.catalogue.live.item(item_id)
        return {name: str(item[column]) for name, column in self.question.columns.items() if column in item}


def _question(source: Source, request: Request, size: int, operation: str) -> Question:
    spec = source.spec
    answers = _OPERATIONS.get(spec.recipe_type, "GetRecommendations")
    if answers != operation:
        raise InvalidInput(f"{source.arn} is based on {spec.name}, of type {spec.recipe_type}: call {answers}.")
    for needed in spec.needs:
        if needed not in request:
            raise InvalidInput(f"{needed} is required by {spec.name}.")
    columns = _metadata_columns(source, request.get("metadataColumns", {}))
    most = MAX_WITH_METADATA if columns else MAX_RESULTS
    if not 0 <= size <= most:
        raise InvalidInput(
            f"A request is for at most {most} items{' with metadataColumns' if columns else ''}, not {size}."
        )
    return Question(source, request, size, columns, _context(source, request.get("context", {})))


def _query(question: Question, facts: Facts) -> Query:
    source, request = question.source, question.request
    exploration = source.config.get("itemExplorationConfig", {})
    return Query(
        user_id=request.get("userId"),
        item_id=request.get("itemId"),
        history=facts.history,
        user=facts.user,
        context=question.context,
        now=facts.now,
        online=facts.catalogue.online,
        influence=source.config.get("rankingInfluence", {}),
        exploration={
            name: float(exploration.get(name, parameter.default)) for name, parameter in source.spec.exploration.items()
        },
    )


@lru_cache
def _without_event(event_type: str) -> Filter:
    """Return the filter that leaves out items of events of a type; made without the parser, which is slow to import."""
    condition = Condition("Interactions", "EVENT_TYPE", "IN", (event_type,))
    return Filter((Expression(include=False, target="ItemID", alternatives=((condition,),)),))


def _without(catalogue: Catalogue, mask: Mask | None, taken: Sequence[Scored]) -> Mask:
    rest = np.ones(len(catalogue.item_ids), np.bool_) if mask is None else mask.copy()
    positions = [catalogue.index_of(scored.item_id) for scored in taken]
    rest[[position for position in positions if position is not None]] = False
    return rest


def _metadata_columns(source: Source, names_by_kind: Mapping[str, Sequence[str]]) -> dict[str, str]:
    if not names_by_kind:
        return {}
    if not source.config.get("enableMetadataWithRecommendations") and not source.spec.metadata_shown:
        raise InvalidInput(
            f"{source.arn} does not have enableMetadataWithRecommendations: it shows no metadataColumns."
        )
    (kind, names), *_ = names_by_kind.items()
    schema = source.schemas().get("ITEMS")
    if kind.upper() != "ITEMS" or schema is None:
        raise InvalidInput("metadataColumns names columns of ITEMS, and the dataset group needs an Items dataset.")
    if len(names) > MAX_METADATA_COLUMNS:
        raise InvalidInput(f"metadataColumns names at most {MAX_METADATA_COLUMNS} columns.")
    fields = {name: schema.find(name) for name in names}
    for name, field in fields.items():
        if field is None or field.name == "ITEM_ID":
            raise InvalidInput(f"The Items dataset has no metadata column {name}.")
    return {name: field.name for name, field in fields.items() if field}


def _context(source: Source, context: Mapping[str, str]) -> dict[str, str]:
    """Return the context by the schema's spelling of its columns; ignores unknown columns, as AWS does."""
    schema = source.schemas().get("INTERACTIONS") if context else None
    if schema is None:
        return {}
    fields = {name: schema.find(name) for name in context}
    return {field.name: context[name] for name, field in fields.items() if field and field.name not in _OWN_MEMBERS}
