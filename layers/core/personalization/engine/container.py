# SPDX-License-Identifier: Apache-2.0
"""Answer in a function: from models and tables on its disk, and from what the user did since.

A container holds what it answers from. When a campaign serves another version, or an import brings other tables, the
container fetches them beside what it has, and answers from that until they are there. Lambda freezes a container
between requests: a fetch goes on while requests come.
"""

import errno
import gc
import json
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from weakref import WeakValueDictionary

from personalize_local import library

from personalization.core import disk
from personalization.core.errors import Broken, PersonalizationError, RetryLater
from personalization.core.observability import write
from personalization.engine import files
from personalization.engine.backend import Account, Refused
from personalization.engine.counting import Learned
from personalization.engine.describing import datasets_of, required, schemas
from personalization.engine.feeds import OLD_SECONDS, Changing, Counts, PutItems
from personalization.engine.live import LiveTable
from personalization.engine.making import group_name
from personalization.engine.of_users import Trained, learned_at

REMEMBER_SECONDS = 20.0
"""How long a container uses what it read of a campaign before it reads it again."""
RETRY_SECONDS = 2.0
"""The same after a failure that passes, and while there is no such campaign."""
IDLE_SECONDS = 60.0
"""How long ago the last look may be before a request waits for the next one, which would be frozen with the container
behind each of few requests."""
LOOK_SECONDS = 0.05
"""How long it waits at most."""
MOST_CAMPAIGNS = 50
"""Campaigns that a container knows; the one that was asked longest ago goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a campaign answers from; two that are equal give the same answers."""

    model: str
    """The folder of its version's model."""
    tables: tuple[tuple[str, str], ...]
    """Dataset types, with the folders of the group's tables."""
    schemas: tuple[tuple[str, str], ...]
    """Dataset types, with their Avro JSON."""
    config: str
    """The campaign's configuration as JSON."""
    group: str
    """The name of the dataset group."""
    made_at: float
    """When the dataset group was made, in seconds since 1970."""
    learned_at: float
    """When the oldest of the tables was imported, or the model was made if that was before, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A model with its tables, ready to answer."""

    recommender: library.Recommender
    trained: Trained
    changing: Changing
    """What changed for everybody since the training."""


@dataclass(slots=True, kw_only=True)
class _Campaign:
    """What a container has of a campaign."""

    look_at: float = float("-inf")
    """When it is read again what the campaign serves."""
    looked_at: float = float("-inf")
    """When that was last read."""
    looked: threading.Event = field(default_factory=threading.Event)
    wanted: Served | None = None
    answers_from: tuple[Served, Answering] | None = None
    fetch: threading.Thread | None = None
    failure: PersonalizationError | Refused | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Container:
    """What one container answers from, of all campaigns that it is asked for."""

    def __init__(self, account: Account, store: files.Store, root: Path) -> None:
        self._account = account
        self._disk = files.Disk(root, store)
        self._campaigns: dict[str, _Campaign] = {}
        self._filters: dict[str, tuple[float, library.Filter]] = {}
        # As long as a version that answers has them.
        self._put_items: WeakValueDictionary[tuple[str, str, int], PutItems] = WeakValueDictionary()
        self._said_at = float("-inf")
        self._lock = threading.Lock()

    def answering(self, arn: str, wait: float, *, newest: bool = False) -> Answering:
        """Return what answers for a campaign: as it serves now, or while that is being fetched, as it served before.

        Args:
            arn: the campaign's ARN.
            wait: seconds to wait where the container has nothing of it yet.
            newest: whether to look at once, and to wait for what it serves now as well.

        Raises:
            Refused: there is no such campaign.
            RetryLater: the container has nothing of it yet.
        """
        campaign = self._campaign(arn)
        with campaign.lock:
            now = self._account.clock()
            if (newest or now >= campaign.look_at) and (campaign.fetch is None or not campaign.fetch.is_alive()):
                campaign.look_at = now + REMEMBER_SECONDS
                campaign.looked.clear()
                campaign.fetch = threading.Thread(target=self._renew, args=(arn, campaign), daemon=True)
                campaign.fetch.start()
        if campaign.fetch and (newest or campaign.answers_from is None):
            campaign.fetch.join(wait)
        elif now >= campaign.looked_at + IDLE_SECONDS:
            campaign.looked.wait(LOOK_SECONDS)
        # The thread may change it meanwhile.
        answers_from = campaign.answers_from
        if answers_from is None:
            failure = campaign.failure or RetryLater(arn, "its model is still being fetched")
            # It is raised to many: each would add where that was.
            raise failure.with_traceback(None)
        return answers_from[1]

    def filter(self, arn: str) -> library.Filter:
        """Return a filter. One that is deleted, or made anew by its name, is noticed as a new release is.

        Raises:
            library.Refused: there is no such filter.
        """
        return (self._filters.get(arn) or self._read_filter(arn))[1]

    def _read_filter(self, arn: str) -> tuple[float, library.Filter]:
        members = self._account.records.get("filter", arn, stale=True)
        if members is None:
            self._filters.pop(arn, None)
            raise library.Refused("ResourceNotFoundException", f"Resource with Arn {arn} does not exist.")
        self._filters[arn] = (self._account.clock(), library.Filter.from_json(members["_parsed"]))
        return self._filters[arn]

    def _renew_filters(self) -> None:
        """Read again the filters that were read some time ago."""
        for arn, (read_at, _) in list(self._filters.items()):
            if self._account.clock() >= read_at + REMEMBER_SECONDS:
                with suppress(library.Refused):
                    self._read_filter(arn)

    def changes(self, table: LiveTable, answering: Answering, seconds: float) -> library.Changes:
        """Return what changed for everybody: items that were put, and what all did, some seconds ago at most.

        While nothing changes it is the same object, for which a recommender has prepared. A table that does not answer
        is asked again when as much time has passed. The log says when it has got old.
        """
        now = self._account.clock()
        changes = answering.changing.read(table, now, seconds)
        if answering.changing.age(now) > OLD_SECONDS and now >= self._said_at + OLD_SECONDS:
            self._said_at = now
            message = "Put items, or counts of what all users do, are more than two minutes old"
            write(json.dumps({"level": "WARNING", "message": message, "datasetGroup": answering.trained.group}))
        return changes

    def _campaign(self, arn: str) -> _Campaign:
        with self._lock:
            campaign = self._campaigns.pop(arn, None) or _Campaign()
            self._campaigns[arn] = campaign
            while len(self._campaigns) > MOST_CAMPAIGNS:
                del self._campaigns[next(iter(self._campaigns))]
            return campaign

    def _renew(self, arn: str, campaign: _Campaign) -> None:
        """Bring a campaign to what it serves now. Whatever fails, the container goes on with what it has."""
        try:
            wanted = self._served(arn)
            campaign.looked_at = self._account.clock()
            campaign.looked.set()
            self._renew_filters()
            if campaign.answers_from is None or campaign.answers_from[0] != wanted:
                campaign.wanted = wanted
                campaign.answers_from = (wanted, self._opened(arn, wanted))
                self._tidy()
            campaign.failure = None
        except Exception as error:  # noqa: BLE001 - whatever it is, requests are answered, and the log says why
            campaign.looked.set()
            campaign.failure = failure = _failure(arn, error)
            is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            passes = isinstance(error, RetryLater | Refused) or (is_full and self._make_room(arn, campaign))
            if not passes:
                traceback.print_exc()
            if passes and (campaign.answers_from is None or isinstance(failure, RetryLater)):
                campaign.look_at = self._account.clock() + RETRY_SECONDS

    def _served(self, arn: str) -> Served:
        records = self._account.records
        described = required(records, "campaign", arn)
        version = required(records, "solutionVersion", described["solutionVersionArn"])
        datasets = list(datasets_of(records, version["datasetGroupArn"]))
        return Served(
            model=version["_folder"],
            tables=tuple(
                sorted((dataset["datasetType"], dataset["_folder"]) for dataset in datasets if "_folder" in dataset)
            ),
            schemas=tuple(sorted(schemas(records, datasets).items())),
            config=json.dumps(described.get("campaignConfig") or {}),
            group=group_name(version["datasetGroupArn"]),
            made_at=required(records, "datasetGroup", version["datasetGroupArn"])["creationDateTime"],
            learned_at=learned_at(version, datasets),
        )

    def _opened(self, arn: str, wanted: Served) -> Answering:
        model, schemas = library.open_model(self._disk.fetched(wanted.model)), dict(wanted.schemas)
        trained_for = group_name(model.solution["datasetGroupArn"])
        if trained_for != wanted.group:
            raise Broken(wanted.model, f"the model was trained for {trained_for}, not for {wanted.group}")
        recommender = library.Recommender(
            model, self._data(wanted.tables), arn=arn, schemas=schemas, config=json.loads(wanted.config)
        )
        cut, items = int(wanted.made_at * 1000), schemas.get("ITEMS", "")
        with self._lock:
            key = (wanted.group, items, cut)
            put_items = self._put_items[key] = self._put_items.get(key) or PutItems(*key)
        learned = Learned.from_json(model.notes) if model.counts else None
        trained = Trained(group=wanted.group, learned_at=wanted.learned_at, cut=cut, users=schemas.get("USERS", ""))
        return Answering(
            recommender=recommender,
            trained=trained,
            changing=Changing(items=put_items, counts=Counts(wanted.group, learned) if learned else None),
        )

    def _data(self, tables: tuple[tuple[str, str], ...]) -> library.Data:
        """Return tables, which the campaigns of a dataset group share."""
        with self._lock:
            for held in self._campaigns.values():
                if held.answers_from and held.answers_from[0].tables == tables:
                    return held.answers_from[1].recommender.data
        return library.open_tables({kind: self._disk.fetched(folder, but=files.UNREAD) for kind, folder in tables})

    def _make_room(self, arn: str, campaign: _Campaign) -> bool:
        """Forget the campaign that was asked longest ago, or what this one answers from; return whether it helps.

        A campaign forgets that only where what it shall serve has room without it: an old answer is better than none.
        """
        with self._lock:
            oldest = next((other for other in self._campaigns if other != arn), None)
            if oldest:
                del self._campaigns[oldest]
        gives_way = oldest is None and campaign.answers_from is not None and self._fits_alone(campaign.wanted)
        if gives_way:
            campaign.answers_from = None
            # What is mapped has its place on the disk until nobody refers to it.
            gc.collect()
        self._tidy()
        return oldest is not None or gives_way

    def _fits_alone(self, wanted: Served | None) -> bool:
        if wanted is None:
            return False
        tables = dict.fromkeys((folder for _, folder in wanted.tables), files.UNREAD)
        try:
            return self._disk.holds({wanted.model: (), **tables})
        except PersonalizationError:
            return False

    def _tidy(self) -> None:
        """Remove folders from the disk that no campaign answers from, or is about to."""
        self._disk.keep_only(self._in_use)

    def _in_use(self) -> set[str]:
        with self._lock:
            states = [
                served
                for campaign in self._campaigns.values()
                for served in (campaign.wanted, campaign.answers_from[0] if campaign.answers_from else None)
                if served
            ]
        return {served.model for served in states} | {folder for served in states for _, folder in served.tables}


def _failure(arn: str, error: Exception) -> PersonalizationError | Refused:
    if isinstance(error, PersonalizationError | Refused):
        return error
    if isinstance(error, library.Refused):
        return Broken(arn, error.message)
    if isinstance(error, OSError):
        return RetryLater(arn, f"the disk does not take its model: {error.strerror}")
    return Broken(arn, repr(error))


@cache
def container(account: Account, store: files.Store) -> Container:
    """Return what this container answers from."""
    return Container(account, store, disk.folder("engine"))
