# SPDX-License-Identifier: Apache-2.0
"""Answer placements: a single one, or all of a page, which shows no item twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from personalization.api import filter_values, lists
from personalization.api.fallback import FallbackChain, Source, source_of
from personalization.api.lists import MOST_WITH_METADATA, ListAsk, Listing, Predict, Switch
from personalization.core import problems
from personalization.core.errors import PersonalizationError
from personalization.core.problems import FieldError, Problem
from personalization.events.visitors import Visitor
from personalization.personalize.runtime import Predicted
from personalization.shop.filters import Choice, Id
from personalization.shop.records.release import Release
from personalization.shop.settings.recipes import FROM_ITEM

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_CONTEXTUAL = (*lists.CONTEXTUAL, "")
MOST_PARALLEL = 10
"""The most concurrent questions; clients keep as many connections."""
_OF_PAGE = ("userId", "filter", "filterValues", "context", "visitorId", "personalize")
Ahead = Callable[[Sequence[ListAsk], Predict], Predict]
"""Starts to ask several questions, and returns the function that answers each."""


class Slot(Choice):
    """A request for one placement or several."""

    user_id: Id
    item_id: Id | None = None
    exclude_item_ids: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    limit: Annotated[int, Field(ge=1, le=100)] | None = None
    next: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    visitor_id: Visitor | None = None
    personalize: Switch = "true"

    @field_validator("filter")
    @classmethod
    def _none(cls, filter_: str | None) -> None:
        if filter_ is not None:
            raise ValueError("is the placement's own; a request gives the values of its parameters")


class PageBody(BaseModel):
    """The body of a request for the placements of a page."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)

    placements: Annotated[list[Annotated[str, StringConstraints(max_length=20)]], Field(min_length=1, max_length=10)]
    """Their names, each once; an item goes to the first placement that would show it."""
    item_id: Id | None = None
    """The item of the page, which is left out."""
    exclude_item_ids: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    """Items to leave out, such as those in the basket."""

    @field_validator("placements")
    @classmethod
    def _once(cls, placements: list[str]) -> list[str]:
        if len(set(placements)) < len(placements):
            raise ValueError("names each placement once")
        return placements


class Second(Protocol):
    """A second ranker of a placement, whose list is mixed with the first one's, see `api.interleaved`."""

    @property
    def question(self) -> ListAsk: ...

    def fill(
        self, chain: FallbackChain, release: Release, name: str, question: ListAsk, *, predict: Predict, since: float
    ) -> dict[str, Any]: ...


class Parallel:
    """Ask questions concurrently; threads are created on first use and kept."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, asks: Sequence[ListAsk], predict: Predict) -> Predict:
        """Start to ask all questions.

        Returns:
            A function that returns the answer to each of these questions or raises its error. It asks any other
            question, or a repeated one, when called.
        """
        if len(asks) < 2:
            return predict
        begun: dict[int, Future[Predicted]] = {id(ask): self._threads().submit(predict, ask) for ask in asks}

        def answer(ask: ListAsk) -> Predicted:
            future = begun.pop(id(ask), None)
            return predict(ask) if future is None else future.result()

        return answer

    def _threads(self) -> "ThreadPoolExecutor":
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only pages with several slots need it

            self._pool = ThreadPoolExecutor(MOST_PARALLEL, "ask")
        return self._pool


def ask(release: Release, name: str, request: Slot, context: Mapping[str, str]) -> ListAsk:
    """Return the question for a placement.

    Args:
        release, name, request: the shop's release, the placement, and the request.
        context: from headers; that of the placement and of the request takes precedence.

    Raises:
        Problem: 404, there is no such placement; 400, the request is invalid.
    """
    slot = _placement(release, name)
    recipe = slot.get("recipe", "")
    starts = recipe in FROM_ITEM or (not recipe and "because" in slot)
    if starts and request.item_id is None:
        raise Problem(400, f"The placement {name} shows what goes with an item.", [FieldError("itemId", "is missing")])
    fixed = slot["filterValues"]
    if both := [parameter for parameter in request.filter_values if parameter in fixed]:
        errors = [FieldError(f"filterValues.{parameter}", "is fixed by the placement") for parameter in both]
        raise Problem(400, "The filter's values are invalid.", errors)
    # The requests are the same for all variants of an experiment; bestsellers have no filter.
    unfiltered = slot.get("unfiltered", False)
    wanted = {
        "limit": request.limit or slot["limit"],
        "filter": None if unfiltered else slot.get("filter"),
        "filterValues": {} if unfiltered else {**fixed, **request.filter_values},
        "context": {**slot["context"], **request.context} if recipe in _CONTEXTUAL else {},
        "userId": request.user_id,
        "itemId": request.item_id if starts else None,
        "excludeItemIds": request.exclude_item_ids,
        "next": request.next,
    }
    # Before the first promotion of the campaign, the fallback fills the slot.
    arn = release.campaigns.get(recipe, "") if recipe else release.recommender_arn(slot["recommender"])
    # A variant may have another campaign of the same recipe.
    arn = arn and slot.get("campaign", arn)
    listed = recipe or f"recommender:{slot['recommender']}"
    question = lists.listing(release, listed, problems.validate(Listing, wanted), context, arn)
    return _shaped(release, slot, question, request)


def nothing(name: str) -> dict[str, Any]:
    """Return the answer of a placement that is not shown."""
    return {"placement": name, "recommendationId": None, "items": []}


def fill(chain: FallbackChain, release: Release, name: str, question: ListAsk, predict: Predict) -> dict[str, object]:
    """Answer a placement, with the token of its next page."""
    answer = chain.fill(release, question, predict, source(release, name))
    return {"placement": name, **lists.after(release, question, answer)}


def page(
    chain: FallbackChain,
    release: Release,
    questions: Mapping[str, ListAsk],
    predict: Predict,
    ahead: Ahead,
    *,
    seconds: Mapping[str, Second] | None = None,
) -> dict[str, object]:
    """Answer a page's placements, in order and within one budget; none shows an item of those before it.

    Args:
        release, questions: what is asked.
        predict, ahead: how.
        seconds: second rankers, by placement.

    Raises:
        PersonalizationError: no placement can be filled.
    """
    since, shown, placed = chain.now(), set[str](), list[dict[str, object]]()
    errors: list[PersonalizationError] = []
    seconds = seconds or {}
    wanted = _roomy(questions)
    every = [*wanted.values(), *(second.question for second in seconds.values())]
    answering = ahead([question for question in every if chain.worth(release, question)], predict)
    for name, question in wanted.items():
        # The question was asked already; more of its answer is hidden now.
        rest = replace(question, hidden=question.hidden.and_also(shown))
        try:
            if name in seconds:
                both = of([question, seconds[name].question], answering)
                filled = seconds[name].fill(chain, release, name, rest, predict=both, since=since)
            else:
                filled = chain.fill(release, rest, of([question], answering), source(release, name), since)
        except PersonalizationError as error:
            # The other placements still answer.
            errors.append(error)
            filled = chain.unfilled(error)
        items: Any = filled["items"]
        shown.update(item["itemId"] for item in items)
        placed.append({"placement": name, **filled})
    if len(errors) == len(placed):
        raise errors[0]
    return {"placements": placed}


def slots(
    release: Release, body: PageBody, query: Mapping[str, object], context: Mapping[str, str]
) -> dict[str, ListAsk]:
    """Return the questions of a page's placements, in order.

    Filter values go to the placements whose filter has the parameter; other values are refused.
    """
    given = {name: query[name] for name in _OF_PAGE if name in query}
    items = {"itemId": body.item_id, "excludeItemIds": body.exclude_item_ids}
    whole = problems.validate(Slot, {**given, **items})
    taken: set[str] = set()
    questions: dict[str, ListAsk] = {}
    for name in body.placements:
        slot = _placement(release, name)
        parameters = set(release.filter_parameters.get(slot.get("filter") or "", ())) - set(slot["filterValues"])
        taken |= parameters
        values = {parameter: value for parameter, value in whole.filter_values.items() if parameter in parameters}
        questions[name] = ask(release, name, whole.model_copy(update={"filter_values": values}), context)
    if strange := [parameter for parameter in whole.filter_values if parameter not in taken]:
        errors = [
            FieldError(f"filterValues.{parameter}", "is not a parameter of these placements' filters")
            for parameter in strange
        ]
        raise Problem(400, "The filters' values are invalid.", errors)
    return questions


def _placement(release: Release, name: str) -> Mapping[str, Any]:
    slot = release.placements.get(name)
    if slot is None:
        names = ", ".join(release.placements) or "none"
        errors = [FieldError("placement", f"must be one of: {names}")]
        raise Problem(404, "The shop has no such placement.", errors)
    return slot


def _shaped(release: Release, slot: Mapping[str, Any], question: ListAsk, request: Slot) -> ListAsk:
    """Return the question of a listing with the placement's promotions, columns and reason."""
    if request.item_id is not None:
        question = lists.without(question, [request.item_id])
    parameters = dict(question.parameters)
    if promotions := slot["promotions"]:
        parameters["promotions"] = [_promotion(release, promotion) for promotion in promotions]
    columns = slot.get("metadata")
    if columns is not None or "recommender" in slot:
        # A recommender may be made without columns; the table of items has them.
        parameters.pop("metadataColumns", None)
        accepted = [name for name in columns or () if name in release.metadata_columns]
        if accepted and "recommender" not in slot and parameters["numResults"] <= MOST_WITH_METADATA:
            parameters["metadataColumns"] = {"ITEMS": accepted}
    because = question.because
    if "itemId" in question.parameters:
        because = {"code": slot["because"], "itemId": question.parameters["itemId"]}
    shown = question.columns
    if columns is not None:
        shown = tuple(columns) if question.limit <= MOST_WITH_METADATA else ()
    asked_of = replace(question, parameters=parameters, because=because, fallback=slot["fallback"], columns=shown)
    if promotions:
        # Only a campaign promotes.
        asked_of = replace(asked_of, prefers_bestsellers=False)
    return lists.varied(lists.suited(release, asked_of), slot.get("diversity"))


def _promotion(release: Release, promotion: Mapping[str, Any]) -> dict[str, Any]:
    kinds = release.filter_parameters.get(promotion["filter"], {})
    quoted = Choice.model_validate({"filterValues": promotion["filterValues"]}).filter_values
    promoted = {"name": promotion["name"], "percentPromotedItems": promotion["percent"]}
    promoted["filterArn"] = release.filters[promotion["filter"]]
    return {**promoted, "filterValues": filter_values.checked(quoted, kinds)} if quoted else promoted


def source(release: Release, name: str) -> Source:
    """Return the mark of the items of a placement's campaign."""
    slot = release.placements[name]
    if "recommender" in slot:
        return "recommender"
    return source_of(release, slot["recipe"])


def _roomy(questions: Mapping[str, ListAsk]) -> dict[str, ListAsk]:
    """Return the questions with more items each, because earlier placements may show some of them."""
    widened: dict[str, ListAsk] = {}
    before = 0
    for name, question in questions.items():
        widened[name] = lists.roomy(question, before)
        before += question.limit
    return widened


def of(questions: Sequence[ListAsk], answering: Predict) -> Predict:
    """Answer questions with more hidden items by the answers to the original ones."""
    return lambda rest: answering(
        next((question for question in questions if question.campaign_arn == rest.campaign_arn), rest)
    )
