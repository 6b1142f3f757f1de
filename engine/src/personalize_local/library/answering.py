# SPDX-License-Identifier: Apache-2.0
"""Answers of the runtime's three operations, from a trained model, tables, and what came after them (numpy only)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, NoReturn

from personalize_local.answers import questions
from personalize_local.answers.catalogue import Catalogue
from personalize_local.answers.questions import Facts, Json, Request, Source
from personalize_local.data.live import Bulk, LiveData
from personalize_local.data.recommendation_ids import recommendation_id
from personalize_local.data.records import Counted, Interaction, Since, StreamedEvent, Value
from personalize_local.data.schemas import Schema
from personalize_local.data.tables import Table
from personalize_local.filters import Filter
from personalize_local.library.checks import schema_of
from personalize_local.library.models import Model
from personalize_local.library.refusals import refusing
from personalize_local.library.tables import open_table
from personalize_local.recipes import base
from personalize_local.recipes.definitions import RECIPES
from personalize_local.wire.errors import ResourceNotFound

FilterOf = Callable[[str], Filter]
_OF_ACTIONS: Final = {"ACTIONS", "ACTION_INTERACTIONS"}
_CHANGES: Final = 2
"""Changes that are prepared together: those of now, and the ones before, which requests on the way still have."""


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Tables that answers are made from, mapped from the disk. Threads and recommenders may share it."""

    bulk: Bulk
    schemas: Mapping[str, Schema]
    """By dataset type."""


def open_tables(tables: Mapping[str, Path], *, verify: bool = False) -> Data:
    """Map tables by their dataset types, which must stay until the data is gone.

    Either INTERACTIONS, ITEMS and USERS, as far as there are any, or, to recommend actions, ACTION_INTERACTIONS,
    ACTIONS and USERS. `verify`: compare checksums too. Raises Refused, as `open_table`; ValueError where both kinds are
    mixed.
    """
    if _OF_ACTIONS & tables.keys() and {"ITEMS", "INTERACTIONS"} & tables.keys():
        raise ValueError(f"Open tables of actions and tables of items one after the other, not {', '.join(tables)}.")
    files, facts, schemas = dict[str, Any](), dict[str, Any](), dict[str, Schema]()
    for kind, folder in tables.items():
        table: Table = open_table(folder, verify=verify)
        files |= table.arrays
        facts |= table.facts
        schemas[kind] = table.schema
    return Data(Bulk(files, facts), schemas)


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What changed for everybody since the tables and the training.

    What a recommender prepares of it is kept for this very object: make one whenever it changes, not with each request.
    """

    since: Since = Since()  # noqa: RUF009 - it cannot be changed
    """What was put and streamed, as the service counts it: items' new metadata show in answers and filters, events in
    histories, in popular lists and in what follows what. Its events may be left out, or only some of them given: then
    `counted` is what popular lists know."""
    counted: Sequence[Counted] = ()
    """How many interactions there were since the training, beyond those of `since`: those that the solution trains on
    count in popular lists as the service counts them. It also counts which items follow each other, which numbers alone
    cannot tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """What came after the tables for the user of a request."""

    events: Sequence[StreamedEvent] = ()
    """Of this user, whatever user or session they name, in the order of arrival. An id counts once, in
    `changes.since` too; without an item an event does not count."""
    user: Mapping[str, Value | None] | None = None
    """The user's attributes by column, if they were put: they replace the whole row of the table."""
    changes: Changes | None = None


_NOTHING: Final = Live()


class Recommender:
    """Answers as a campaign (or a recommender of a domain) with this model would, item for item. Threads may share it.

    Requests and answers have the members of the API of the same name; who calls checks the types of the members and
    the lengths of texts, as SDKs do. `campaignArn` and `recommenderArn` do not matter. All methods raise Refused.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        *,
        arn: str,
        config: Mapping[str, Any] | None = None,
        schemas: Mapping[str, str] | None = None,
    ) -> None:
        """Answer from a model and the tables of its dataset group.

        `arn`: named in refusals, and told by answers' ids. `config`: the campaignConfig, or recommenderConfig.
        `schemas`: texts by dataset type, of datasets without a table and of those that are newer than their table.
        """
        with refusing():
            all_schemas = {**data.schemas, **{kind: schema_of(text) for kind, text in (schemas or {}).items()}}
        self._source = Source(arn, RECIPES[model.recipe], config or {}, lambda: all_schemas)
        self.data = data
        self._model = model.model
        self._unchanged = Catalogue(self._model, LiveData(data.bulk))
        self._changed: OrderedDict[int, tuple[Changes, Catalogue]] = OrderedDict()
        self._changing = Lock()

    def get_recommendations(
        self,
        request: Request,
        *,
        live: Live = _NOTHING,
        filters: FilterOf | None = None,
        now: float | None = None,
        answer_id: str = "",
    ) -> Json:
        """Answer GetRecommendations: `{"itemList": […], "recommendationId": …}`.

        `filters` returns the filter of an ARN, and raises Refused for one that it does not know; it is called for the
        filters that the request names. `now`: seconds since 1970, the clock's if left out. `answer_id`: the
        recommendationId of an answer that is wanted again; it decides the places of promoted items.
        """
        with refusing():
            question = questions.recommendations(self._source, request)
            answer_id = answer_id or recommendation_id(self._source.arn)
            items = questions.recommended(question, self._facts(request, live, filters, now), answer_id)
        return {"itemList": _present(items), "recommendationId": answer_id}

    def get_personalized_ranking(
        self,
        request: Request,
        *,
        live: Live = _NOTHING,
        filters: FilterOf | None = None,
        now: float | None = None,
    ) -> Json:
        """Answer GetPersonalizedRanking, with `personalizedRanking`; arguments as of `get_recommendations`."""
        with refusing():
            question = questions.ranking(self._source, request)
            items = questions.ranked(question, self._facts(request, live, filters, now))
        return {"personalizedRanking": _present(items), "recommendationId": recommendation_id(self._source.arn)}

    def get_action_recommendations(
        self,
        request: Request,
        *,
        live: Live = _NOTHING,
        filters: FilterOf | None = None,
        now: float | None = None,
    ) -> Json:
        """Answer GetActionRecommendations, with `actionList`; arguments as of `get_recommendations`.

        Events are interactions with actions, and items are actions.
        """
        from personalize_local.answers import actions  # noqa: PLC0415 - few recommend actions, and its import takes long

        with refusing():
            limit = actions.check(self._source, request)
            chosen = actions.recommended(request, self._facts(request, live, filters, now), limit)
        return {"actionList": chosen, "recommendationId": recommendation_id(self._source.arn)}

    def explain(
        self,
        question: Mapping[str, Any],
        *,
        live: Live = _NOTHING,
        erased: Collection[str] = (),
        now: float | None = None,
    ) -> Json:
        """Say what is known beside an answer, for people who want to understand it; no operation of the service.

        The question may name a `user`, `items` of their list, an `item` that similar ones were asked for, one `who`se
        latest users are wanted, and a text to look up: `like`. The answer has:

        * of the user: columns (`user`), `interactions`, the `latest` of them, and `because`: what each item's score
          owes most to, with its share, found out by asking the model without each item of the history
        * `items`: columns, `rank` by popularity in training, and how many `times` the user had each
        * `who`: the item's `interactions`, and the `latest` with their users; of `live.changes` as far as it has events
        * `like`: `users` with such ids, users `described` by such columns, and `items` with such ids
        * without a user, some `users`, `popular` items and `eventTypes` to ask about

        `erased`: users whom the tables still have, but nobody may see; a question about them names nobody. Raises
        Refused for a question of another form.
        """
        from personalize_local.answers import explaining  # noqa: PLC0415 - few answers are explained

        with refusing():
            asking = explaining.read(question)
            facts = self._facts({"userId": asking.user} if asking.user else {}, live, None, now)
            subject = explaining.Explaining(
                question=asking,
                recipe_type=self._source.spec.recipe_type,
                catalogue=facts.catalogue,
                history=facts.history,
                user=facts.user,
                now=facts.now,
                erased=erased,
            )
            *_, causes = subject.causes()
            return subject.facts(causes)

    def _facts(self, request: Request, live: Live, filters: FilterOf | None, now: float | None) -> Facts:
        catalogue = self._catalogue(live.changes)
        user = request.get("userId")
        return Facts(
            catalogue=catalogue,
            history=catalogue.live.history_with(user, live.events) if user else (),
            user=attributes_of(catalogue.live, user, live) if user else {},
            filter_of=filters or _no_filter,
            now=time.time() if now is None else now,
        )

    def _catalogue(self, changes: Changes | None) -> Catalogue:
        if changes is None:
            return self._unchanged
        with self._changing:
            if id(changes) not in self._changed:
                self._changed[id(changes)] = changes, self._with(changes)
                if len(self._changed) > _CHANGES:
                    self._changed.popitem(last=False)
            self._changed.move_to_end(id(changes))
            return self._changed[id(changes)][1]

    def _with(self, changes: Changes) -> Catalogue:
        return counting(self._model, self._live(changes.since), changes.counted)

    def _live(self, since: Since) -> LiveData:
        """Return the tables with what came; changes that share it share what is made of it."""
        for changes, catalogue in self._changed.values():
            if changes.since is since:
                return catalogue.live
        return with_since(self.data, since)


def with_since(data: Data, since: Since) -> LiveData:
    """Return tables with what came."""
    live = LiveData(data.bulk)
    for number, event in enumerate(since.events, 1):
        live.add_event(event, number)
    for user in since.users:
        live.put_user(user.id, user.properties)
    for item in since.items:
        live.put_item(item.id, item.properties)
    return live


def counting(model: base.Model, live: LiveData, counted: Sequence[Counted]) -> Catalogue:
    """Return a model's items with counts of what all did."""
    catalogue = Catalogue(model, live)
    if catalogue.online is not None:
        rows = (Interaction(item, 0.0, kind, value) for item, kind, value, _ in counted)
        catalogue.online.add_counted(zip(rows, (part.interactions for part in counted), strict=True))
    return catalogue


def attributes_of(data: LiveData, user: str, live: Live) -> Mapping[str, Value]:
    """Return a user's attributes: as they were put, or else of the table."""
    if live.user is None:
        return data.user(user)
    return {name: value for name, value in live.user.items() if value is not None}


def _no_filter(arn: str) -> NoReturn:
    raise ResourceNotFound(f"Resource Arn {arn} does not exist.")


def _present(items: Sequence[Json]) -> list[Json]:
    """Leave out the members that an answer does not have."""
    return [{name: value for name, value in item.items() if value is not None} for item in items]
