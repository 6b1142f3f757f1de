# SPDX-License-Identifier: Apache-2.0
"""What a round does with days that are too large for it: cut their files, have them made, and read what was made."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from personalization.core.aws import objects
from personalization.core.aws.errors import code, false_on
from personalization.core.errors import Broken, PersonalizationError
from personalization.core.observability import logger
from personalization.experiments.days import reading, shards, units
from personalization.experiments.days.aggregating import Made, Needed
from personalization.experiments.days.files import TOUCHES, DayFiles, ShopDay
from personalization.experiments.days.large.plan import FOLDER, Kind, PartOfDay, Plan, Result, State, Work
from personalization.experiments.days.large.steps import ShardFiles
from personalization.experiments.days.links import Links
from personalization.experiments.days.shards import Shard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

LOG = logger()
_READ_BY = "1"
"""To be raised where `reading` says something else of the same files: parts outlive a deployment."""
_COLUMNS = str((reading.COPIES, reading.EXPOSED, reading.ON_SCREEN))
_KINDS: tuple[Kind, ...] = ("events", "exposures", "impressions")
_PARTS_OF_A_DAY = 4
"""The parts of the largest day that one function still makes: a part is read in some ten seconds."""
_MOST_FILES = 5_000
_READ_AT_ONCE = 4
"""The shards in which a round reads an experiment's rows: more of them need less memory, and read files more often."""


class LargeDays:
    """What a round does with days of a shop that are too large for it."""

    def __init__(self, s3: "S3Client", bucket: str, shop: str, most: int) -> None:
        """Read nothing yet; a day of more than `most` bytes is too large."""
        self._s3 = s3
        self._bucket = bucket
        self._shop = shop
        self._most = most
        self._files = DayFiles(s3, bucket, shop)

    def are_needed(self, needed: Needed) -> bool:
        """Return whether a day that is to be made is too large."""
        stored = self._files.stored_days("days")
        done = {day for day in stored if needed.is_settled(day)}
        # A large day may be made once more when all after it are small.
        of_shards = {day for day in done if len(stored[day]) > 1}
        if of_shards:
            done -= of_shards - self._settled("days", of_shards, self._state())
        return any(sum(size for _, _, size in self._listed(day)) > self._most for day in needed.days if day not in done)

    def begun(self, plan: Plan, now: datetime, machines: "SFNClient", machine: str) -> Made:
        """Return the days as the machine has left them, and have it make those that are missing or not settled.

        Args:
            plan: how they are made; which files are read is added.
            now: the time.
            machines, machine: the machine that checks large drops, by its ARN.
        """
        state = self._state()
        if state.work and not _runs(machines, machine, state.work):
            results = Work(self._s3, self._bucket, state.work).results()
            if len(results) == len(shards.EVERY):
                state = State(result=Result.added(results))
            else:
                LOG.error("Large days not made; they are begun anew", shop=self._shop, work=state.work)
                state = State(result=state.result)
        if not state.work:
            work = self._planned(plan, now, state)
            name, wish = _name(work.folder), json.dumps({"work": work.folder})
            false_on(
                "ExecutionAlreadyExists",
                lambda: machines.start_execution(stateMachineArn=machine, name=name, input=wish),
            )
            state = State(work=work.folder, result=state.result)
        objects.put_json(self._s3, self._bucket, self._state_key, state.as_json())
        return self._made(plan.needed, state)

    def _planned(self, plan: Plan, now: datetime, state: State) -> Work:
        days = self._wanted(plan.needed, state)
        parts = [part for day in days for part in self._cut(day, plan)]
        name = f"{self._shop}-days-{now:%Y%m%dT%H%M%S}"
        work = Work(self._s3, self._bucket, f"work/{self._shop}/{FOLDER}/{name}/")
        work.put("plan", plan.replaced(days=tuple(days), parts=tuple(parts)))
        # As the check of a drop has the numbers of its ranges, in its first round.
        work.put("items-0", list(range(len(parts))))
        return work

    def _wanted(self, needed: Needed, state: State) -> list[date]:
        """Return the days whose files must be read: all of which something is not settled."""
        done = self._settled("days", needed.settled, state)
        for experiment in needed.experiments:
            has = {day for day in done if experiment in needed.of(day)}
            done -= has - self._settled(f"experiments/{experiment.name}", has, state)
        if needed.shelves is not None:
            has = {day for day in done if day >= needed.shelves}
            done -= has - self._settled(TOUCHES, has, state)
        return [day for day in needed.days if day not in done]

    def _settled(self, folder: str, days: Collection[date], state: State) -> set[date]:
        """Return those of some days that no step makes again; files tell it of those that the machine has not made."""
        told = {day for day, notes in state.result.days.items() if notes.settled} if state.result else set[date]()
        stored = self._files.stored_days(folder)
        return {day for day in days if day in told and day in stored} | self._files.settled_days(folder, {*days} - told)

    def _cut(self, day: date, plan: Plan) -> Iterator[PartOfDay]:
        """Cut the files of a day into parts. Files that come later change the last part, and none before."""
        for kind, files in groupby(self._listed(day), lambda file: file[0]):
            part, size = list[tuple[str, int]](), 0
            for _, key, more in files:
                part.append((key, more))
                size += more
                if size >= self._most // _PARTS_OF_A_DAY or len(part) == _MOST_FILES:
                    yield _part(kind, day, part, plan)
                    part, size = [], 0
            if part:
                yield _part(kind, day, part, plan)

    def _listed(self, day: date) -> Iterator[tuple[Kind, str, int]]:
        for kind in _KINDS:
            for key, size in objects.list_sizes(self._s3, self._bucket, self._files.folder(kind, day)):
                yield kind, key, size

    @property
    def _state_key(self) -> str:
        return f"work/{self._shop}/{FOLDER}/state.json"

    def _state(self) -> State:
        document = objects.get_json(self._s3, self._bucket, self._state_key)
        try:
            return State() if document is None else State.read(document)
        except Broken:
            # Another version of the application has left it.
            return State()

    def _made(self, needed: Needed, state: State) -> Made:
        links = self._files.links()
        days = state.result.days if state.result else {}
        counted = [notes for day, notes in days.items() if day >= needed.first_counted]
        foreign = sum((Counter(notes.foreign) for notes in counted), Counter[str]())
        empty = pl.DataFrame(schema=units.SHOP_DAY)
        return Made(
            rows={},
            read=lambda name: self._shards(needed, name, links),
            currency=next((notes.currency for notes in days.values() if notes.currency), None),
            foreign=dict(sorted(foreign.items())),
            unvalued=sum(notes.unvalued for notes in counted),
            busy=frozenset(day for day, notes in days.items() if notes.busy),
            whole=state.result is not None and state.result.whole and state.result.today == needed.today,
            days={
                day: ShopDay(rows=empty, foreign=notes.foreign, unvalued=notes.unvalued, settled=notes.settled)
                for day, notes in days.items()
            },
            links=links,
        )

    def _shards(self, needed: Needed, name: str, links: Links) -> Iterator[dict[date, pl.DataFrame]]:
        def rows(number: int) -> dict[date, pl.DataFrame]:
            files = ShardFiles(self._s3, self._bucket, self._shop, Shard(number, _READ_AT_ONCE), links)
            stored = files.experiment_days(name, settled=False)
            return {day: links.joined(rows) for day, rows in stored.items() if day >= needed.starts[name]}

        # None stays in memory while the next is read.
        return map(rows, range(_READ_AT_ONCE))


def _name(folder: str) -> str:
    """Return the name of the execution that makes what is planned in a folder."""
    return folder.split("/")[-2]


def _runs(machines: "SFNClient", machine: str, folder: str) -> bool:
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{_name(folder)}"
    try:
        return machines.describe_execution(executionArn=arn)["status"] in {"RUNNING", "PENDING_REDRIVE"}
    except PersonalizationError as error:
        if code(error) != "ExecutionDoesNotExist":
            raise
        return False


def _part(kind: Kind, day: date, files: Sequence[tuple[str, int]], plan: Plan) -> PartOfDay:
    # An erasure makes a file smaller, and another version of polars has other hashes.
    made_by = (_READ_BY, pl.__version__, _COLUMNS, plan.tracking_id, plan.purchase)
    told = "\n".join([*made_by, *(f"{key} {size}" for key, size in files)])
    name = hashlib.sha256(told.encode()).hexdigest()[:32]
    return PartOfDay(kind=kind, day=day, name=name, keys=tuple(key for key, _ in files))
