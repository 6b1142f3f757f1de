# SPDX-License-Identifier: Apache-2.0
"""Serve purchase likelihoods from the model, the counters and live events; containers cache the bucket's files."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from table_intake.wording import counted

from personalization.core import problems, stored
from personalization.core.aws import errors
from personalization.core.breaker import Breaker
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem
from personalization.events import erasure_requests, store
from personalization.likelihood import answering, counters, shards
from personalization.likelihood.answering import NOT_YET, Asking
from personalization.likelihood.counters import Item, LiveEvent, User
from personalization.likelihood.model import Model, read_model
from personalization.personalize import runtime
from personalization.personalize.runtime import Ask, Predicted
from personalization.shop.records import release_store
from personalization.shop.records.release import Release

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
BUDGET_SECONDS = 6.0
"""Seconds after which a request starts no further call and stops waiting for the bucket: with one more call, the
answer still comes within the function's ten seconds."""
OLD = "The shop's purchase likelihood was not fitted by version 0.1.0 or later: train the shop again"
RECORD = "likelihood"
"""Sort key of the record of the serving fit, or of the reason why there is none."""
REMEMBER_SECONDS = 15.0
"""Seconds for which a container uses a fit without looking for a newer one."""
_MOST_FILES = 64
"""Files of counters in a container's cache: about 6 MB each, so 400 of its 1,024 MB."""


class Files:
    """A least-recently-used cache of stored documents, which change only when users are deleted."""

    def __init__(self, most: int = _MOST_FILES) -> None:
        self._most = most
        self._cached: OrderedDict[str, Any] = OrderedDict()

    def get(
        self, s3: "S3Client", bucket: str, keys: Iterable[str], seconds: float, names: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return documents by key, and fetch missing ones in parallel.

        Fetched files stay in the cache even if others fail, so that a retry fetches fewer. If an answer needs more
        files than the cache holds, it gets only the entries of these names from those that are not in it.

        Raises:
            RetryLater: the bucket does not answer in time.
            Missing: there is no such file.
        """
        ordered = list(dict.fromkeys(keys))
        missing = [key for key in ordered if key not in self._cached]
        if len(ordered) > self._most:
            cached = {key: self._cached[key] for key in ordered if key in self._cached}
            return cached | self._fetched(s3, bucket, missing, seconds, set(names))
        if missing:
            self._fetched(s3, bucket, missing, seconds)
        for key in ordered:
            self._cached.move_to_end(key)
        while len(self._cached) > self._most:
            self._cached.popitem(last=False)
        return {key: self._cached[key] for key in ordered}

    def _fetched(
        self, s3: "S3Client", bucket: str, missing: Sequence[str], seconds: float, names: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Return the entries of these names in files or whole files, which it caches."""
        pool = ThreadPoolExecutor(min(8, max(len(missing), 1)))
        keys = {pool.submit(_file, s3, bucket, key, names): key for key in missing}
        done, pending = wait(keys, max(0.0, seconds))
        # Calls that still hang end by their own timeouts.
        pool.shutdown(wait=False, cancel_futures=True)
        failures = [error for future in done if (error := future.exception())]
        fetched = {keys[future]: future.result() for future in done if not future.exception()}
        if names is None:
            self._cached.update(fetched)
        if failures:
            raise failures[0]
        if pending:
            raise RetryLater(bucket, f"{counted(len(pending), 'file')} did not come in time")
        return fetched


def _file(s3: "S3Client", bucket: str, key: str, names: Collection[str] | None) -> Any:  # noqa: ANN401 - any document
    document = shards.unpack(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return document if names is None else {name: entry for name, entry in document.items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What answers are made from; clients and names come on first use."""

    dynamodb: "Callable[[], DynamoDBClient]"
    s3: "Callable[[], S3Client]"
    runtime: "Callable[[], PersonalizeRuntimeClient]"
    table: Callable[[], str]
    """The table of shops."""
    shopper_events_table: Callable[[], str]
    bucket: Callable[[], str]


class Likelihoods:
    """Answers requests during a container's life; `clock` gives monotonic seconds."""

    def __init__(self, sources: Sources, clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._clock = clock
        self._files = Files()
        self._models: dict[str, tuple[float, Model | _NoModel | None]] = {}
        self._breaker = Breaker()

    def until(self) -> float:
        """Return the deadline of a request that begins now, by the clock."""
        return self._clock() + BUDGET_SECONDS

    def answer(
        self, release: Release, item_ids: Sequence[str], request: Asking, now: int, until: float
    ) -> dict[str, object]:
        """Answer a request; see `answering.answer`.

        Args:
            release: the serving release. item_ids, request: distinct items, and the user with their context.
            now: epoch seconds. until: the request's deadline.

        Raises:
            Problem: 400 for an unknown item; 409 without a model.
            RetryLater, Broken: the table or the bucket does not answer in time.
        """
        model = self._model(release.shop, until)
        user, items = self._counters(release.shop, model, request, item_ids, until)
        answering.require_known(item_ids, items)
        counts = answering.count_logits(model, user, {item_id: items[item_id] for item_id in item_ids}, now)
        # The scores were evaluated on known users only.
        is_known = counts.population == "known"
        requests = answering.ranking_requests(model, release, request.user_id, item_ids) if is_known else []
        if not requests:
            return answering.answer(model, counts, item_ids, None)
        scores: dict[str, float] = {}
        try:
            for ask in requests:
                scores |= answering.anchored_scores(self._ranked(ask, until), item_ids, model.anchors)
        except PersonalizationError as error:
            reason = error.reason if isinstance(error, _NotAsked) else errors.reason(error)
            return answering.answer(model, counts, item_ids, None, reason)
        return answering.answer(model, counts, item_ids, scores)

    def _ranked(self, ask: Ask, until: float) -> Predicted:
        now = self._clock()
        if not self._breaker.allows(ask.campaign_arn, now):
            raise _NotAsked(ask.campaign_arn, "resting")
        if now >= until:
            raise _NotAsked(ask.campaign_arn, "slow")
        try:
            predicted = runtime.rank(self._sources.runtime(), ask)
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
        if isinstance(model, _NoModel):
            raise Problem(409, model.why, kind=model.kind)
        return model

    def _fetch(self, shop: str, until: float) -> "Model | _NoModel":
        table = self._sources.table()
        record = self._with_retry(table, lambda: read(self._sources.dynamodb(), table, shop), until)
        if record is None:
            return _NoModel(NOT_YET)
        if "run" in record and record.get("version") != stored.VERSION:
            return _NoModel(f"{OLD}.")
        if record.get("leftOut"):
            reason = f"The shop's history is too large for a purchase likelihood: {record['reason']}."
            return _NoModel(reason, problems.LEFT_OUT)
        if record.get("reason"):
            return _NoModel(f"There is too little data for a purchase likelihood: it {record['reason']}.")
        key = f"{shards.folder(shop, str(record['run']))}model.json.gz"
        return read_model(self._read([key], until)[key])

    def _counters(
        self, shop: str, model: Model, request: Asking, items: Sequence[str], until: float
    ) -> tuple[User, dict[str, Item]]:
        """Return the user's counters with live events, and the known items."""
        table, user_id = self._sources.shopper_events_table(), request.user_id

        def live_events() -> list[LiveEvent]:
            client, late = self._sources.dynamodb(), lambda: self._clock() >= until
            events = store.of_user(client, table, shop, user=user_id, since=model.at, late=late)
            return [
                LiveEvent(event.event_id, event.item_id, event.at, event.event_type == model.event_type)
                for event in events
            ]

        def erased() -> bool:
            return erasure_requests.asked_for(self._sources.dynamodb(), table, shop, user_id)

        is_erased = self._with_retry(table, erased, until)
        live = [] if is_erased else self._with_retry(table, live_events, until)
        names = [*items, *(event.item_id for event in live)]
        at = {name: shards.key(shop, model.run, "items", shards.shard_of(name, model.item_shards)) for name in names}
        user_key = shards.key(shop, model.run, "shoppers", shards.shard_of(user_id, model.shopper_shards))
        files = self._read([user_key, *at.values()], until, {user_id, *names})
        known_items = {name: counters.item_from(files[key][name]) for name, key in at.items() if name in files[key]}
        # A user who requested erasure is a stranger at once, though the erasure may take a day.
        user = counters.user_from(None if is_erased else files[user_key].get(user_id), model)
        if request.context:
            user.groups = {**user.groups, **request.context}
        for event in live:
            user.add(event, known_items.get(event.item_id))
        return user, known_items

    def _read(self, keys: Sequence[str], until: float, names: Collection[str] = ()) -> dict[str, Any]:
        """Return files of the bucket, or their entries of these names, from the cache where possible."""
        return self._files.get(self._sources.s3(), self._sources.bucket(), keys, until - self._clock(), names)

    def _with_retry(self, resource: str, ask: Callable[[], T], until: float) -> T:
        """Call a service, and retry once while there is time."""
        if self._clock() >= until:
            raise RetryLater(resource, "no time was left to ask")
        try:
            return ask()
        except RetryLater:
            if self._clock() >= until:
                raise
        return ask()


@dataclass(frozen=True, slots=True)
class _NoModel:
    why: str
    kind: str = ""
    """The problem's kind."""


class _NotAsked(PersonalizationError):
    """The ranking campaign was not called: its circuit is open, or no time is left (see `reason`)."""


def read(client: "DynamoDBClient", table: str, shop: str) -> Mapping[str, Any] | None:
    """Return the record of the serving fit, with `run`, or with the `reason` why there is none."""
    return release_store.get(client, table, shop, RECORD, stale=True)
