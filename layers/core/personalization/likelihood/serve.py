# SPDX-License-Identifier: Apache-2.0
"""Answers how likely purchases are: the model and the counters from the bucket, kept by the container; live events."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from personalization.core import problems
from personalization.core.aws import clients, objects
from personalization.core.aws import errors as failures
from personalization.core.breaker import Breaker
from personalization.core.environment import Environment
from personalization.core.errors import Broken, PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem
from personalization.events import erasure_requests, store
from personalization.likelihood import answering, counters, shards
from personalization.likelihood import model as models
from personalization.likelihood.answering import NOT_YET, Counted, LikelihoodBody
from personalization.likelihood.counters import Happening, Item, User
from personalization.likelihood.model import Model
from personalization.personalize import runtime
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop import records
from personalization.shop.release import Release

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
BUDGET_SECONDS = 6.0
"""Seconds after which nothing more is begun for a request, nor is the bucket waited for: one more call, and the answer
is there before the function's ten are over, whatever does not answer."""
RECORD = "likelihood"
"""The sort key of the record that says which fit serves, or why there is none."""
REMEMBER_SECONDS = 15.0
"""How long a fit is used without asking whether there is a newer one."""
_MOST_FILES = 64
"""Files of counters that a container keeps."""


class Files:
    """Stored documents, the least recently used forgotten first. They never change, but for users who are deleted."""

    def __init__(self, most: int = _MOST_FILES) -> None:
        self._most = most
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, s3: "S3Client", bucket: str, keys: Iterable[str], seconds: float) -> dict[str, Any]:
        """Documents by key; missing ones are asked for side by side.

        What came is kept even if others did not, so that the next try asks for less.

        Args:
            s3, bucket: where they are. keys: which. seconds: how long they are waited for.

        Raises:
            RetryLater: the bucket does not answer in time.
            Broken: a file is gone.
        """
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in self._kept]
        if missing:
            self._fetch(s3, bucket, missing, seconds)
        answer = {}
        for key in wanted:
            self._kept.move_to_end(key)
            answer[key] = self._kept[key]
        while len(self._kept) > max(self._most, len(wanted)):
            self._kept.popitem(last=False)
        return answer

    def _fetch(self, s3: "S3Client", bucket: str, missing: Sequence[str], seconds: float) -> None:
        pool = ThreadPoolExecutor(min(8, len(missing)))
        asked = {pool.submit(_file, s3, bucket, key): key for key in missing}
        came, others = wait(asked, max(0.0, seconds))
        # Nobody waits for what still hangs: its own timeouts end it.
        pool.shutdown(wait=False, cancel_futures=True)
        errors = [error for each in came if (error := each.exception())]
        self._kept.update((asked[each], each.result()) for each in came if not each.exception())
        if errors:
            raise errors[0]
        if others:
            raise RetryLater(bucket, f"{len(others)} files did not come in time")


def _file(s3: "S3Client", bucket: str, key: str) -> Any:  # noqa: ANN401 - any document
    data = objects.get_bytes(s3, bucket, key)
    if data is None:
        raise Broken(key, "the file is gone")
    return shards.unpacked(data)


class Likelihoods:
    """Answers for as long as a container lives.

    Args:
        clock: seconds that only move forward, for what is remembered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files = Files()
        self._models: dict[str, tuple[float, Model | _Missing | None]] = {}
        self._breaker = Breaker()

    def until(self) -> float:
        """When the time of a request that begins now is used up, by the clock."""
        return self._clock() + BUDGET_SECONDS

    def respond(
        self, release: Release, body: bytes, query: Mapping[str, object], now: int, until: float
    ) -> dict[str, object]:
        """The answer to a request as it came.

        Args:
            release: what serves. body: JSON. query: the parameters, with the user. now: epoch seconds.
            until: when the request's time is used up.

        Raises:
            Problem: as `answer` says, or 400 where the request is not as it must be.
        """
        wanted = problems.validate_json(LikelihoodBody, body)
        return self.answer(release, problems.validate(answering.Asking, query), wanted, now, until)

    def answer(
        self, release: Release, asked: answering.Asking, body: LikelihoodBody, now: int, until: float
    ) -> dict[str, object]:
        """The answer to a request; see `answering.answer`.

        Raises:
            Problem: 409, there is no model, and why; 400, an item is unknown.
            RetryLater, Broken: the table or the bucket does not answer in time.
        """
        model = self._model(release.shop, until)
        shopper, items = self._known(release.shop, model, asked, body.item_ids, until)
        answering.unknown(body.item_ids, items)
        found = answering.counted(model, shopper, {each: items[each] for each in body.item_ids}, now)
        # The scores were judged on known users: what they say of others nobody has looked at.
        known = found.population == "known"
        wanted = answering.asks(model, release, asked.user_id, body.item_ids, {}) if known else []
        if not wanted:
            return answering.answer(model, found, body.item_ids, None)
        return self._anchored(model, found, body.item_ids, wanted, until)

    def _anchored(
        self, model: Model, found: Counted, items: Sequence[str], wanted: Sequence[Ask], until: float
    ) -> dict[str, object]:
        scores: dict[str, float] = {}
        try:
            for ask in wanted:
                scores |= answering.anchored_scores(self._ranked(ask, until), items, model.anchors)
        except PersonalizationError as error:
            reason = error.reason if isinstance(error, _Unasked) else failures.reason(error)
            return answering.answer(model, found, items, None, reason)
        return answering.answer(model, found, items, scores)

    def _ranked(self, ask: Ask, until: float) -> Predicted:
        now = self._clock()
        if not self._breaker.allows(ask.campaign_arn, now):
            raise _Unasked(ask.campaign_arn, "resting")
        if now >= until:
            raise _Unasked(ask.campaign_arn, "slow")
        try:
            predicted = runtime.rank(clients.runtime_once(), ask)
        except Rejected:
            self._breaker.succeeded(ask.campaign_arn)
            raise
        except PersonalizationError:
            self._breaker.failed(ask.campaign_arn, self._clock())
            raise
        self._breaker.succeeded(ask.campaign_arn)
        return predicted

    def _model(self, shop: str, until: float) -> Model:
        known_until, model = self._models.get(shop, (0.0, None))
        now = self._clock()
        if model is None or now >= known_until:
            model = self._fetch(shop, until)
            self._models[shop] = (now + (REMEMBER_SECONDS if isinstance(model, Model) else 5.0), model)
        if isinstance(model, _Missing):
            raise Problem(409, model.why, kind=model.kind)
        return model

    def _fetch(self, shop: str, until: float) -> "Model | _Missing":
        table = Environment().table
        record = self._twice(table, lambda: read(clients.dynamodb_once(), table, shop), until)
        if record is None:
            return _Missing(NOT_YET)
        if record.get("leftOut"):
            told = f"The shop's history is too large for a purchase likelihood: {record['reason']}."
            return _Missing(told, problems.LEFT_OUT)
        if record.get("reason"):
            return _Missing(f"There is too little data for a purchase likelihood: it {record['reason']}.")
        key = f"{shards.folder(shop, str(record['run']))}model.json.gz"
        return models.of_json(self._read([key], until)[key])

    def _known(
        self, shop: str, model: Model, asked: answering.Asking, items: Sequence[str], until: float
    ) -> tuple[User, dict[str, Item]]:
        """The user's counters with live events, and the items that are known."""
        table, user = Environment().shopper_events_table, asked.user_id

        def happened() -> list[Happening]:
            client, late = clients.dynamodb_once(), lambda: self._clock() >= until
            events = store.of_user(client, table, shop, user, model.at, late)
            return [
                Happening(each.event_id, each.item_id, each.at, each.event_type == model.event_type) for each in events
            ]

        def erased() -> bool:
            return erasure_requests.asked_for(clients.dynamodb_once(), table, shop, user)

        gone = self._twice(table, erased, until)
        live = [] if gone else self._twice(table, happened, until)
        names = [*items, *(each.item_id for each in live)]
        at = {name: shards.key(shop, model.run, "items", shards.place(name, model.item_shards)) for name in names}
        own = shards.key(shop, model.run, "shoppers", shards.place(user, model.shopper_shards))
        found = self._read([own, *at.values()], until)
        known = {name: counters.item(found[key][name]) for name, key in at.items() if name in found[key]}
        # Who asked to be deleted is a stranger at once, though a job may take a day to delete them.
        shopper = counters.shopper(None if gone else found[own].get(user), model)
        if asked.context:
            shopper.groups = {**shopper.groups, **asked.context}
        for event in live:
            shopper.add(event, known.get(event.item_id))
        return shopper, known

    def _read(self, keys: Sequence[str], until: float) -> dict[str, Any]:
        """Files of the bucket; such as are kept need no time."""
        return self._files.get(clients.s3_once(), Environment().bucket, keys, until - self._clock())

    def _twice(self, resource: str, ask: Callable[[], T], until: float) -> T:
        """What a service answers: asked once more where it does not, and only while there is time."""
        if self._clock() >= until:
            raise RetryLater(resource, "there was no time left to ask")
        try:
            return ask()
        except RetryLater:
            if self._clock() >= until:
                raise
        return ask()


@dataclass(frozen=True, slots=True)
class _Missing:
    """There is no model."""

    why: str
    kind: str = ""
    """Of the problem."""


class _Unasked(PersonalizationError):
    """The ranking campaign is not asked, for the word in `reason`: its circuit is open, or no time is left."""


def read(client: "DynamoDBClient", table: str, shop: str) -> Mapping[str, Any] | None:
    """Which fit serves a shop, as `{run}`, or why there is none, as `{reason}`."""
    return records.get(client, table, shop, RECORD, stale=True)
