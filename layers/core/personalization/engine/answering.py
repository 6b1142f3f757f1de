# SPDX-License-Identifier: Apache-2.0
"""Recommend and rank: the operations of the runtime's API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.engine import files
from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.live import LiveTable
from personalization.engine.of_users import of_user
from personalization.engine.records import Members

if TYPE_CHECKING:
    from personalize_local import library

    from personalization.engine.container import Answering

WAIT_SECONDS = 0.5
"""How long a user's request waits for a model that its container does not have yet."""
REFRESH_SECONDS = 60.0
"""How long a container's answers do without what was put, or counted, meanwhile."""
PROBE_SECONDS = 120.0
"""How long the request of a probe does."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What answers are made from, beside the records."""

    store: files.Store
    live_table: Callable[[], str]
    """The table of what came since the tables were written."""
    wait: float = WAIT_SECONDS
    """Seconds that a request waits for a model that its container does not have yet."""
    refresh: float = REFRESH_SECONDS
    """Seconds after which a container reads again which items were put, and what all users did."""


def _answer(operation: str, sources: Sources, account: Account, parameters: Mapping[str, Any]) -> Members:
    # A function whose shops are on Amazon Personalize starts without numpy.
    from personalize_local import library  # noqa: PLC0415

    from personalization.engine.container import container  # noqa: PLC0415

    here, request = container(account, sources.store), dict(parameters)
    answering = here.answering(str(request.pop("campaignArn", "")), sources.wait)
    try:
        table = LiveTable(account.dynamodb(), sources.live_table())
        changes = here.changes(table, answering, sources.refresh)
        live = replace(_live(table, answering, request), changes=changes)
        more: dict[str, Any] = {"live": live, "filters": here.filter, "now": account.clock()}
        if operation == "GetRecommendations":
            return answering.recommender.get_recommendations(request, **more)
        if operation == "GetPersonalizedRanking":
            return answering.recommender.get_personalized_ranking(request, **more)
        return answering.recommender.get_action_recommendations(request, **more)
    except library.Refused as error:
        raise Refused(error.code, error.message) from None


def _live(table: LiveTable, answering: "Answering", request: dict[str, Any]) -> "library.Live":
    """Return what the user of a request did since the training; of who was erased, the request names nobody."""
    from personalize_local import library  # noqa: PLC0415 - as above

    if not request.get("userId"):
        return library.Live()
    # Without an answer of the table the fallback answers.
    request["userId"], live = of_user(table, answering.trained, request["userId"])
    return live


def operations(sources: Sources) -> Mapping[str, Operation]:
    """Return the operations of functions that answer."""
    names = ("GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations")
    return {name: partial(_answer, name, sources) for name in names}
