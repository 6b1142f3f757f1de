# SPDX-License-Identifier: Apache-2.0
"""Open models and live data: models by solution version, live data by dataset group."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from personalize_local.answers.catalogue import Catalogue
from personalize_local.data.live import LiveData
from personalize_local.data.records import PutRecord, StreamedEvent
from personalize_local.recipes import loading
from personalize_local.recipes.base import Model
from personalize_local.resources import kinds
from personalize_local.resources.registry import Registry, Resource
from personalize_local.resources.store import Reader, Store, Streamed

T = TypeVar("T")
TRAINED_UNTIL = "trained-until"
"""File in a model's folder: the number of the newest event that it was trained on."""
ANSWERS = 10_000
"""Answers that are remembered, for events with their recommendationId."""
_ROLES: Mapping[bool, Mapping[str, str]] = {
    False: {"INTERACTIONS": "INTERACTIONS", "USERS": "USERS", "ITEMS": "ITEMS"},
    True: {"ACTION_INTERACTIONS": "INTERACTIONS", "ACTIONS": "ITEMS"},
}
"""The dataset types in live data (True: of actions), and what they stand for: actions are treated as items."""


def actions_of(group: str) -> str:
    """Return the name, in the form of an ARN, of the live data of a dataset group's actions."""
    return group.replace(":dataset-group/", ":action-data/")


def live_name(version: Resource) -> str:
    """Return the name of the live data that a model answers from."""
    actions = str(version.body["recipeArn"]).endswith("/aws-next-best-action")
    return actions_of(version.group) if actions else version.group


class _Loader(Generic[T]):
    """Values that are loaded once, however many requests need them at the same time."""

    def __init__(self, load: Callable[[str], Coroutine[Any, Any, T]]) -> None:
        self._load = load
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str) -> T:
        """Return the value; load it if necessary."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._load(key))
        try:
            return await asyncio.shield(task)
        except Exception:
            self.drop(key)
            raise

    async def renew(self, key: str) -> None:
        """Load the value again; the old one stays until then."""
        task = asyncio.create_task(self._load(key))
        await task
        if key in self._tasks:
            self._tasks[key] = task

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: str) -> bool:
        return key in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._tasks))

    def ready(self, key: str) -> T | None:
        task = self._tasks.get(key)
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None

    def drop(self, key: str) -> T | None:
        """Forget the value; returns it if it was loaded."""
        value = self.ready(key)
        self._tasks.pop(key, None)
        return value


class Serving:
    """Live data and models, opened on first use; beyond the room for them, the least recently used are closed.

    Loading happens in threads; everything else belongs to the event loop.
    """

    def __init__(self, store: Store, registry: Registry, room: int) -> None:
        self._store = store
        self._room = room
        """Most models and live data that are open together: each has a file open."""
        self._registry = registry
        self._live: _Loader[LiveData] = _Loader(self._load_live)
        self._models: _Loader[Model] = _Loader(lambda arn: asyncio.to_thread(loading.load, self.model(arn)))
        self._catalogues: OrderedDict[str, Catalogue] = OrderedDict()
        """By solution version, the most recently used last."""
        self._answers: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    async def live(self, group: str) -> LiveData:
        """Return the live data of a dataset group (by its ARN), or of its actions (`actions_of`)."""
        return self._live.ready(group) or await self._live.get(group)

    async def catalogue(self, version: Resource) -> Catalogue:
        """Return a solution version's model with its dataset group's live data."""
        catalogue = self._catalogues.get(version.arn)
        if catalogue is None:
            catalogue = await self._opened(version.arn, live_name(version))
        self._catalogues.move_to_end(version.arn)
        return catalogue

    async def renew(self, version: Resource) -> None:
        """Answer from the model that is on the disk now; until it is open, the old one answers."""
        if version.arn in self._models:
            await self._models.renew(version.arn)
            self._catalogues.pop(version.arn, None)
        await self.catalogue(version)

    async def _opened(self, version: str, group: str) -> Catalogue:
        model, live = await self._models.get(version), await self.live(group)
        while self._models.ready(version) is not model or self._live.ready(group) is not live:
            # Closed again, or replaced, while the other was loading.
            model, live = await self._models.get(version), await self.live(group)
        catalogue = self._catalogues.get(version)
        if catalogue is None:
            trained = int((self.model(version) / TRAINED_UNTIL).read_text())
            catalogue = self._catalogues[version] = Catalogue(model, live, trained=trained)
            self._make_room(version)
        return catalogue

    @property
    def full(self) -> bool:
        """Whether opening another model would close one."""
        return len(self._models) + len(self._live) >= self._room

    def _make_room(self, opened: str) -> None:
        """Close the least recently used until there is room; never the one just opened."""
        used = {id(catalogue.live) for catalogue in self._catalogues.values()}
        unused = [arn for arn in self._models if self._models.ready(arn) is not None and arn not in self._catalogues]
        unused += [group for group in self._live if (live := self._live.ready(group)) and id(live) not in used]
        for arn in [*unused, *self._catalogues]:
            if len(self._models) + len(self._live) <= self._room:
                return
            if arn != opened:
                self.forget(arn)

    async def refresh(self, group: str) -> None:
        """Publish what an import has written; live data that is not open will find it."""
        if group in self._live:
            live = await self.live(group)
            live.replace_bulk(self.bulk(group))
            self._empty_caches(live)

    def forget(self, *arns: str) -> None:
        """Close models (by solution version) with live data that no other uses, and groups' live data."""
        for arn in arns:
            self._models.drop(arn)
            closed = self._catalogues.pop(arn, None)
            if closed is not None and all(catalogue.live is not closed.live for catalogue in self._catalogues.values()):
                for group in self._live:
                    if self._live.ready(group) is closed.live:
                        self._live.drop(group)
            if (live := self._live.drop(arn)) is not None:
                stale = [version for version, catalogue in self._catalogues.items() if catalogue.live is live]
                for version in stale:
                    del self._catalogues[version]

    def remember(self, recommendation_id: str, items: Iterable[str]) -> None:
        """Remember the items of an answer for events that name it, and forget the oldest answers."""
        self._answers[recommendation_id] = tuple(items)
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)

    def shown(self, recommendation_id: str | None) -> tuple[str, ...]:
        """Return the items of an answer; none if it is unknown or forgotten."""
        return self._answers.get(recommendation_id or "", ())

    def add_events(self, group: str, events: Iterable[StreamedEvent], last: int) -> None:
        """Publish events that are on disk; live data that is not open will find them.

        `last`: the number of the last of them in the store.
        """
        if (live := self._live.ready(group)) is not None:
            for event in events:
                live.add_event(event, last)
            for catalogue in self._catalogues.values():
                if catalogue.live is live:
                    catalogue.count_events()

    def put_users(self, group: str, users: Iterable[PutRecord]) -> None:
        if (live := self._live.ready(group)) is not None:
            for user in users:
                live.put_user(user.id, user.properties)

    def put_items(self, group: str, items: Iterable[PutRecord]) -> None:
        if (live := self._live.ready(group)) is not None:
            for item in items:
                live.put_item(item.id, item.properties)
            self._empty_caches(live)

    def model(self, arn: str) -> Path:
        """Return the folder of a version's or recommender's model: that of its latest update, if it has one."""
        trained = self._store.folder(arn)
        update = self._registry.any(arn).body.get("update")
        latest = trained / update["folder"] if update else trained
        return latest if latest.is_dir() else trained

    async def _load_live(self, group: str) -> LiveData:
        """Map bulk data and apply what was streamed, including what arrives meanwhile."""
        datasets = self.sources(group)
        live, seen = await asyncio.to_thread(read_live, self._store.database, self.bulk(group), datasets)
        for kind, arn in datasets.items():
            _apply(live, kind, self._store, arn, seen[kind])
        return live

    def sources(self, group: str) -> dict[str, str]:
        """Return the datasets of live data: ARNs by the type that they stand for."""
        owner = group.replace(":action-data/", ":dataset-group/")
        roles = _ROLES[owner != group]
        datasets = self._registry.find(kinds.DATASET, datasetGroupArn=owner)
        by_type = ((dataset.body["datasetType"], dataset) for dataset in datasets if not dataset.deleting)
        return {roles[kind]: dataset.arn for kind, dataset in by_type if kind in roles}

    def bulk(self, group: str) -> Path | None:
        """Return the folder of a dataset group's imported data, if there is any."""
        folder = self._store.folder(group)
        return folder if folder.is_dir() else None

    def _empty_caches(self, live: LiveData) -> None:
        for catalogue in self._catalogues.values():
            if catalogue.live is live:
                catalogue.cache.clear()


def read_live(database: Path, bulk: Path | None, datasets: Mapping[str, str]) -> tuple[LiveData, dict[str, int]]:
    """Map bulk data and apply what was streamed; also returns the number of each dataset's last record."""
    live = LiveData(bulk)
    with Reader(database) as reader:
        return live, {kind: _apply(live, kind, reader, arn) for kind, arn in datasets.items()}


def _apply(live: LiveData, kind: str, streamed: Streamed, dataset: str, after: int = 0) -> int:
    """Apply what was streamed to a dataset after a record; returns the number of the last one."""
    last = 0
    if kind == "INTERACTIONS":
        for last, event in streamed.events(dataset, after):
            live.add_event(event, last)
    else:
        put = live.put_user if kind == "USERS" else live.put_item
        for number, record in streamed.records(dataset, after):
            put(record.id, record.properties)
            last = number
    return last
