# SPDX-License-Identifier: Apache-2.0
"""What answers are made from, kept ready in memory: live data per dataset group, models per solution version."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from personalize_local import recipes
from personalize_local.data.live import LiveData
from personalize_local.data.snapshots import Column, PutRecord, StreamedEvent
from personalize_local.jobs.workers import TRAINED_UNTIL
from personalize_local.recipes import Model
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.online_counts import Absorbed
from personalize_local.resources.registry import DATASET, Registry, Resource
from personalize_local.resources.store import Reader, Store

T = TypeVar("T")
ANSWERS = 10_000
"""Answers whose items are remembered, for events that name their recommendationId."""
_ROLES: Mapping[bool, Mapping[str, str]] = {
    False: {"INTERACTIONS": "INTERACTIONS", "USERS": "USERS", "ITEMS": "ITEMS"},
    True: {"ACTION_INTERACTIONS": "INTERACTIONS", "ACTIONS": "ITEMS"},
}
"""Which dataset types live data is made of, and as what: actions are treated as items. True: live data of actions."""


def actions_of(group: str) -> str:
    """The name, in the form of an ARN, under which a dataset group's actions are kept apart from its items."""
    return group.replace(":dataset-group/", ":action-data/")


def live_name(version: Resource) -> str:
    """The name of the live data that a model answers from."""
    actions = str(version.body["recipeArn"]).endswith("/aws-next-best-action")
    return actions_of(version.group) if actions else version.group


@dataclass
class Catalogue:
    """A model's items with their live metadata, as filters look at them."""

    model: Model
    live: LiveData
    cache: dict[tuple[Hashable, ...], Any] = field(default_factory=dict)
    """What filters keep between requests; emptied when an item changes."""
    trained: int = 0
    """Number of the newest event that trained the model."""
    absorbed: Absorbed | None = None
    """What events have added to the model's counts; None for recipes that change by training only."""
    _done: int = 0
    """How many of the live data's owned events are absorbed, or were in the training."""

    def __post_init__(self) -> None:
        if isinstance(self.model, PersonalModel):
            self.absorbed = self.model.absorbing()
            self.absorb()

    def absorb(self) -> None:
        """Count the events that came to belong to users since the last time."""
        if self.absorbed is not None:
            fresh = [owned for owned in self.live.owned[self._done :] if owned.number > self.trained]
            self._done = len(self.live.owned)
            self.absorbed.absorb(fresh, self.live.history)

    @property
    def item_ids(self) -> npt.NDArray[np.object_]:
        """The model's items."""
        return self.model.item_ids

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item_id: position for position, item_id in enumerate(self.item_ids.tolist())}

    def index_of(self, item_id: str) -> int | None:
        """An item's position in `item_ids`."""
        return self._positions.get(item_id)

    def column(self, name: str) -> Column:
        """An Items column aligned with `item_ids`."""
        return self.live.item_column(name, self.item_ids)


class _Loader(Generic[T]):
    """Values that are loaded once, however many ask at the same time."""

    def __init__(self, load: Callable[[str], Coroutine[Any, Any, T]]) -> None:
        self._load = load
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str) -> T:
        """The value, loaded if need be."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._load(key))
        try:
            return await asyncio.shield(task)
        except Exception:
            self.drop(key)
            raise

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: str) -> bool:
        return key in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._tasks))

    def ready(self, key: str) -> T | None:
        """The value, if it is loaded."""
        task = self._tasks.get(key)
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None

    def drop(self, key: str) -> T | None:
        """Load anew when asked next; returns what was loaded."""
        value = self.ready(key)
        self._tasks.pop(key, None)
        return value


class Serving:
    """Live data and models, opened when they are asked for. What was asked least lately is closed where room ends.

    Loading happens in threads; everything else belongs to the event loop.
    """

    def __init__(self, store: Store, registry: Registry, room: int) -> None:
        self._store = store
        self._room = room
        """How many models and live data may be open together: each has a file open."""
        self._registry = registry
        self._live: _Loader[LiveData] = _Loader(self._load_live)
        self._models: _Loader[Model] = _Loader(lambda arn: asyncio.to_thread(recipes.load, store.folder(arn)))
        self._catalogues: OrderedDict[str, Catalogue] = OrderedDict()
        """By solution version; the one that was asked last is last."""
        self._answers: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    async def live(self, group: str) -> LiveData:
        """The live data of a dataset group (by its ARN), or of its actions (`actions_of`)."""
        return self._live.ready(group) or await self._live.get(group)

    async def catalogue(self, version: Resource) -> Catalogue:
        """A solution version's model with its dataset group's live data."""
        found = self._catalogues.get(version.arn)
        if found is None:
            found = await self._opened(version.arn, live_name(version))
        self._catalogues.move_to_end(version.arn)
        return found

    async def _opened(self, version: str, group: str) -> Catalogue:
        model, live = await self._models.get(version), await self.live(group)
        while self._models.ready(version) is not model or self._live.ready(group) is not live:
            # Closed again, or replaced, while the other was loaded.
            model, live = await self._models.get(version), await self.live(group)
        found = self._catalogues.get(version)
        if found is None:
            trained = trained_until(self._store.folder(version))
            found = self._catalogues[version] = Catalogue(model, live, trained=trained)
            self._make_room(version)
        return found

    @property
    def full(self) -> bool:
        """Whether another model could only be opened in the place of one that is open."""
        return len(self._models) + len(self._live) >= self._room

    def _make_room(self, opened: str) -> None:
        """Close models, those asked least lately first, until as much is open as may be; not the one just opened."""
        used = {id(each.live) for each in self._catalogues.values()}
        unused = [arn for arn in self._models if self._models.ready(arn) is not None and arn not in self._catalogues]
        unused += [group for group in self._live if (live := self._live.ready(group)) and id(live) not in used]
        for arn in [*unused, *self._catalogues]:
            if len(self._models) + len(self._live) <= self._room:
                return
            if arn != opened:
                self.forget(arn)

    async def refresh(self, group: str) -> None:
        """Take over what an import has just written; live data that is not open will find it."""
        if group in self._live:
            live = await self.live(group)
            live.replace_bulk(self.bulk(group))
            self._empty_caches(live)

    def forget(self, *arns: str) -> None:
        """Let go of models (by solution version), of live data that no other answers from, and of groups' live data."""
        for arn in arns:
            self._models.drop(arn)
            closed = self._catalogues.pop(arn, None)
            if closed is not None and all(each.live is not closed.live for each in self._catalogues.values()):
                for group in self._live:
                    if self._live.ready(group) is closed.live:
                        self._live.drop(group)
            if (live := self._live.drop(arn)) is not None:
                stale = [version for version, catalogue in self._catalogues.items() if catalogue.live is live]
                for version in stale:
                    del self._catalogues[version]

    def remember(self, recommendation_id: str, items: Iterable[str]) -> None:
        """Keep the items of an answer for events that name it; the oldest answers are forgotten."""
        self._answers[recommendation_id] = tuple(items)
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)

    def shown(self, recommendation_id: str | None) -> tuple[str, ...]:
        """The items of an answer; nothing if it is unknown or forgotten."""
        return self._answers.get(recommendation_id or "", ())

    def add_events(self, group: str, events: Iterable[StreamedEvent], last: int) -> None:
        """Show events that are on disk to the next answer; if nothing is loaded yet, loading will find them.

        `last`: the number of the last of them in the store.
        """
        if (live := self._live.ready(group)) is not None:
            for event in events:
                live.add_event(event, last)
            for catalogue in self._catalogues.values():
                if catalogue.live is live:
                    catalogue.absorb()

    def put_users(self, group: str, users: Iterable[PutRecord]) -> None:
        """Show users that are on disk to the next answer."""
        if (live := self._live.ready(group)) is not None:
            for user in users:
                live.put_user(user.id, user.properties)

    def put_items(self, group: str, items: Iterable[PutRecord]) -> None:
        """Show items that are on disk to the next answer."""
        if (live := self._live.ready(group)) is not None:
            for item in items:
                live.put_item(item.id, item.properties)
            self._empty_caches(live)

    async def _load_live(self, group: str) -> LiveData:
        """Map bulk data and apply what was streamed; what arrives meanwhile is applied before anybody sees it."""
        datasets = self.sources(group)
        live, seen = await asyncio.to_thread(read_live, self._store.database, self.bulk(group), datasets)
        for kind, arn in datasets.items():
            if kind == "INTERACTIONS":
                _apply(live, kind, self._store.events(arn, seen[kind]))
            else:
                _apply(live, kind, self._store.records(arn, seen[kind]))
        return live

    def sources(self, group: str) -> dict[str, str]:
        """The datasets that live data is made of: ARNs by the type that they stand for."""
        owner = group.replace(":action-data/", ":dataset-group/")
        roles = _ROLES[owner != group]
        found = self._registry.find(DATASET, datasetGroupArn=owner)
        kinds = ((each.body["datasetType"], each) for each in found if not each.deleting)
        return {roles[kind]: each.arn for kind, each in kinds if kind in roles}

    def bulk(self, group: str) -> Path | None:
        """The folder of a dataset group's imported data, if there is any."""
        folder = self._store.folder(group)
        return folder if folder.is_dir() else None

    def _empty_caches(self, live: LiveData) -> None:
        for catalogue in self._catalogues.values():
            if catalogue.live is live:
                catalogue.cache.clear()


def trained_until(model: Path) -> int:
    """The number of the newest event that a model was trained on (see `jobs.run_training`)."""
    return int((model / TRAINED_UNTIL).read_text())


def read_live(database: Path, bulk: Path | None, datasets: Mapping[str, str]) -> tuple[LiveData, dict[str, int]]:
    """Map bulk data and apply what was streamed so far; also the number of each dataset's last record."""
    live = LiveData.load(bulk)
    with Reader(database) as reader:
        return live, {
            kind: _apply(live, kind, reader.events(arn) if kind == "INTERACTIONS" else reader.records(arn))
            for kind, arn in datasets.items()
        }


def _apply(live: LiveData, kind: str, records: Iterable[tuple[int, StreamedEvent | PutRecord]]) -> int:
    """Apply a dataset's streamed records; returns the number of the last one."""
    last = 0
    for last, record in records:
        if isinstance(record, StreamedEvent):
            live.add_event(record, last)
        elif kind == "USERS":
            live.put_user(record.id, record.properties)
        else:
            live.put_item(record.id, record.properties)
    return last
