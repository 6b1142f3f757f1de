# SPDX-License-Identifier: Apache-2.0
"""The hourly round of experiments: follow the shops' files, make days, judge, stop what does harm, and report."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError, Rejected
from personalization.core.observability import logger
from personalization.experiments import following, ramps, report
from personalization.experiments.announcing import News, announce
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days import aggregating
from personalization.experiments.days.aggregating import SETTLED, Made
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import Plan, Shelves
from personalization.experiments.days.large.round import LargeDays
from personalization.experiments.experiment import Experiment
from personalization.experiments.lists import Lists
from personalization.experiments.report import Judged
from personalization.experiments.shelves.files import first_day
from personalization.experiments.shelves.round import ShelfRound
from personalization.reports import pages
from personalization.shop.records import release, release_store
from personalization.shop.settings.settings import ShopSettings
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

LOG = logger()


@dataclass(frozen=True, slots=True)
class Clients:
    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    bus: "EventBridgeClient"
    machines: "SFNClient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The result of a round: names of experiments by shop; and the shops in which it failed, with the reasons."""

    analysed: Mapping[str, tuple[str, ...]]
    stopped: Mapping[str, tuple[str, ...]]
    failed: tuple[tuple[str, str], ...]
    shops: tuple[str, ...] = ()
    """All that serve."""
    through: Mapping[str, Sequence[Experiment]] = field(default_factory=dict)
    """By shop, ramps whose last step is over: their versions are to serve all users."""


class Analyst:
    """Make a round at a time."""

    def __init__(
        self,
        clients: Clients,
        environment: Environment,
        now: datetime,
        objecting: Callable[[str], Collection[str]],
        lists: Lists,
    ) -> None:
        """Prepare a round.

        Args:
            clients, environment, now: what it works with, and when.
            objecting: returns the users of a shop who object to personalization, and are in no report.
            lists: what listIds say.
        """
        self._clients = clients
        self._environment = environment
        self._now = now
        self._objecting = objecting
        self._lists = lists
        self._through: dict[str, list[Experiment]] = {}

    def round(self, late: Callable[[], bool]) -> Round:
        """Look at every shop; a failing shop neither stops the others nor takes their time every hour.

        Args:
            late: returns whether the time to make days is over.
        """
        analysed: dict[str, tuple[str, ...]] = {}
        stopped: dict[str, tuple[str, ...]] = {}
        failed: list[tuple[str, str]] = []
        shops = list(self._shops())
        first = int(self._now.timestamp()) // 3600 % max(len(shops), 1)
        for shop, tracking_id in shops[first:] + shops[:first]:
            try:
                reports = self._shop(shop, tracking_id, late)
            except PersonalizationError as error:
                failed.append((shop, str(error)))
                continue
            except Exception as error:  # noqa: BLE001 - a broken file of one shop must not end the round of the others
                failed.append((shop, type(error).__name__))
                continue
            if reports:
                analysed[shop] = tuple(experiment.name for experiment, _ in reports)
            if names := tuple(experiment.name for experiment, harmed in reports if harmed):
                stopped[shop] = names
        return Round(
            analysed=analysed,
            stopped=stopped,
            failed=tuple(failed),
            shops=tuple(shop for shop, _ in shops),
            through=self._through,
        )

    def _shops(self) -> Iterator[tuple[str, str]]:
        """Iterate over the shops that serve, with the ids of their event trackers."""
        records = release_store.scan(
            self._clients.dynamodb,
            self._environment.table,
            "#record = :release",
            names={"#record": "record"},
            values={":release": release.RECORD},
            wanted="shop, trackingId",
        )
        yield from sorted((str(record["shop"]), str(record["trackingId"])) for record in records)

    def _shop(self, shop: str, tracking_id: str, late: Callable[[], bool]) -> list[tuple[Experiment, bool]]:
        """Report a shop's experiments; return them, each with whether it was stopped now."""
        clients, environment = self._clients, self._environment
        table, bucket = environment.table, environment.bucket
        try:
            following.follow(clients.dynamodb, clients.s3, table, bucket, shop=shop, now=self._now)
        except Rejected as refused:
            # The owner was told in the bucket.
            LOG.warning("Experiments refused; those that run go on", shop=shop, reason=str(refused))
        stored = following.get(clients.dynamodb, table, shop).experiments
        experiments = [experiment for experiment in stored if _is_of_interest(experiment, self._now)]
        settings = shop_settings(clients.s3, bucket, shop)
        if not experiments and not settings.placements:
            return []
        objecting = {unit_digest(tracking_id, user) for user in self._objecting(shop)}
        plan = self._plan(tracking_id, experiments, settings, self._shelves(stored, settings, objecting))
        # Their days stay, for whoever no longer objects.
        made = self._made(shop, plan, late).without(objecting)
        reports = [(experiment, self._report(shop, experiment, made, settings)) for experiment in experiments]
        if settings.placements:
            shelf_round = ShelfRound(clients.s3, environment, shop, settings, self._now)
            week = shelf_round.report(made, stored)
            if week is not None and made.whole:
                shelf_round.tell(clients.dynamodb, clients.bus, week)
        return reports

    def _plan(
        self, tracking_id: str, experiments: Sequence[Experiment], settings: ShopSettings, shelves: Shelves | None
    ) -> Plan:
        return Plan(
            today=self._now.date(),
            tracking_id=tracking_id,
            purchase=settings.event_type,
            currency=settings.storefront.currency,
            experiments=tuple(experiment.as_record() for experiment in experiments),
            shelves=shelves,
        )

    def _shelves(
        self, stored: Collection[Experiment], settings: ShopSettings, objecting: Collection[str]
    ) -> Shelves | None:
        if not settings.placements:
            return None
        # What is on screen of a list that two rankers share is of both, and clicks are on items of either.
        names = {
            name: experiment.listed[-1] if experiment.interleaved else name
            for experiment in stored
            for name in experiment.listed
        }
        return Shelves(
            first=first_day(self._now.date()),
            variants={self._lists.number_of(name): shown for name, shown in names.items()},
            left_out=tuple(sorted(objecting)),
            window=settings.shelves.window,
        )

    def _made(self, shop: str, plan: Plan, late: Callable[[], bool]) -> Made:
        """Make a shop's days, or have the machine make them that checks large drops."""
        clients, bucket = self._clients, self._environment.bucket
        large = LargeDays(clients.s3, bucket, shop, self._environment.large_day_bytes)
        if large.are_needed(plan.needed):
            return large.begun(plan, self._now, clients.machines, self._environment.check_machine_arn)
        files = DayFiles(clients.s3, bucket, shop)
        rules, also = self._lists.rules(plan, plan.currency), self._lists.also(plan, files)
        return aggregating.make(files, rules, plan.needed.experiments, plan.today, late, also=also)

    def _report(self, shop: str, experiment: Experiment, made: Made, settings: ShopSettings) -> bool:
        """Write an experiment's report; return whether the experiment was stopped now."""
        clients, bucket = self._clients, self._environment.bucket
        stem = report.stem(shop, experiment.name)
        before = objects.get_json(clients.s3, bucket, f"{stem}.json") or {}
        judged = report.judge(experiment, made, self._now)
        harm = judged.harm if experiment.runs(self._now.timestamp()) else None
        if harm is not None:
            experiment = following.stop(
                clients.dynamodb, self._environment.table, shop, experiment.name, why=harm, now=self._now
            )
        elif experiment.ramp is not None and experiment.runs(self._now.timestamp()):
            grown = self._ramped(shop, experiment, judged, made)
            if grown is not experiment:
                experiment, judged = grown, report.judge(grown, made, self._now)
        document = report.document(shop, experiment, judged, made, settings=settings, now=self._now)
        for name, news, reason in report.news(experiment, judged, self._now):
            if name not in before.get("announced", ()):
                said = pages.said(reason, settings.language)
                self._announce(news, shop, experiment.name, said)
            document["announced"].append(name)
        objects.put_report(clients.s3, bucket, stem, pages.with_codes(document), report.page(document))
        return harm is not None

    def _ramped(self, shop: str, experiment: Experiment, judged: Judged, made: Made) -> Experiment:
        """Return a ramp at its next step, if the present one is over and nothing speaks against it.

        After the last step it is remembered as being through. What cannot be believed, and a step that nobody was in,
        wait; the ramp's end brings it back.
        """
        now, seen = int(self._now.timestamp()), judged.ramp
        good = seen is not None and seen.outlook == "open" and seen.users > 0 and made.whole
        if not good or not ramps.is_over(experiment, now):
            return experiment
        if ramps.is_last(experiment):
            self._through.setdefault(shop, []).append(experiment)
            return experiment
        grown = ramps.grown(experiment, now)
        following.change(self._clients.dynamodb, self._environment.table, shop, before=experiment, after=grown)
        return grown

    def _announce(self, news: News, shop: str, experiment: str, reason: str) -> None:
        prefix = self._environment.names.prefix
        announce(self._clients.bus, prefix, news, shop=shop, experiment=experiment, reason=reason)


def _is_of_interest(experiment: Experiment, now: datetime) -> bool:
    """Return whether an experiment runs, or ended so lately that its days may still change."""
    stamp = now.timestamp()
    return (
        not experiment.waits
        and experiment.starts_at <= stamp < experiment.last_second + (SETTLED * 1.5).total_seconds()
    )
