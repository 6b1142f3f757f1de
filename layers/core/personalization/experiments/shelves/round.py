# SPDX-License-Identifier: Apache-2.0
"""Report a shop's placements, and tell of the week on Mondays: what the hourly round does once their days are made."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.experiments import announcing, following, report
from personalization.experiments.days.aggregating import Made
from personalization.experiments.days.files import DayFiles
from personalization.experiments.experiment import Experiment
from personalization.experiments.shelves import earnings, weekly
from personalization.experiments.shelves.earnings import PERIODS, Days, Facts, Span, Trial
from personalization.experiments.shelves.files import between
from personalization.reports import pages
from personalization.shop.records import item_files, release_store
from personalization.shop.records.item_table import ShownItems, fetch, name_column
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client

_MONTH = PERIODS["month"]
_DAYS_OF_TESTS = 90
"""How long what an experiment said is told after its end."""
_LOOK_UP_SECONDS = 20.0


class ShelfRound:
    """Reports the placements of one shop."""

    def __init__(
        self, s3: "S3Client", environment: Environment, shop: str, settings: ShopSettings, now: datetime
    ) -> None:
        self._s3 = s3
        self._environment = environment
        self._shop = shop
        self._settings = settings
        self._now = now
        self._today = now.date()

    def report(self, made: Made, experiments: Sequence[Experiment]) -> Mapping[str, Any] | None:
        """Write the pages of all periods; return last week's report where a mail of it is due.

        Args:
            made: the days of the shop.
            experiments: all that its record has.
        """
        files = DayFiles(self._s3, self._environment.bucket, self._shop)
        days = between(files, self._today - timedelta(days=2 * _MONTH), self._today)
        spans = {name: Span.of(name, self._today) for name in PERIODS}
        mail = self._settings.shelves.weekly_mail
        week = weekly.due(mail, self._now) if mail else None
        facts = self._facts(made, experiments, days, [*spans.values(), *([week] if week else [])])
        for name, span in spans.items():
            self._put(name, earnings.document(days, span, facts))
        return earnings.document(days, week, facts) if week else None

    def tell(self, dynamodb: "DynamoDBClient", bus: "EventBridgeClient", week: Mapping[str, Any]) -> bool:
        """Announce a week, unless it was; return whether it was announced now.

        Raises:
            RetryLater: the bus did not take it, so that the next round tries again.
        """
        table, name = self._environment.table, str(week["from"])
        before = release_store.get(dynamodb, table, self._shop, weekly.RECORD)
        if before and str(before["week"]) >= name:
            return False
        # What may fail comes before the note, so that the next round tries again.
        address = f"s3://{self._environment.bucket}/{self._put(f'weeks/{name}', week, linked=False)}"
        lines = weekly.lines(week, address)
        record = {"shop": self._shop, "record": weekly.RECORD, "week": name}
        # Only one of two rounds at once is the first to note the week.
        if not release_store.put_if(
            dynamodb, table, record, "attribute_not_exists(week) OR week < :week", values={":week": name}
        ):
            return False
        try:
            announcing.announce_week(bus, self._environment.names.prefix, self._shop, lines)
        except PersonalizationError:
            release_store.put(dynamodb, table, before or {**record, "week": ""})
            raise
        return True

    def _put(self, name: str, document: Mapping[str, Any], *, linked: bool = True) -> str:
        coded = pages.with_codes({**document, "linked": linked})
        stem = earnings.stem(self._shop, name)
        return objects.put_report(self._s3, self._environment.bucket, stem, coded, earnings.page(coded))

    def _facts(self, made: Made, experiments: Sequence[Experiment], days: Days, spans: Sequence[Span]) -> Facts:
        refused = following.refusal(self._s3, self._environment.bucket, self._shop)
        return Facts(
            shop=self._shop,
            settings=self._settings,
            now=self._now,
            currency=made.currency or self._settings.storefront.currency or "",
            foreign=made.foreign,
            tests=[*self._tests(experiments)],
            refused=refused["reason"] if refused else "",
            whole=made.whole,
            names=self._names(set().union(*(earnings.items_of(days, span) for span in spans))),
        )

    def _tests(self, experiments: Sequence[Experiment]) -> Iterator[Trial]:
        """Yield what experiments say that run, or have ended lately."""
        now = self._now.timestamp()
        for experiment in experiments:
            if experiment.starts_at <= now < experiment.last_second + _DAYS_OF_TESTS * 86_400:
                key = f"{report.stem(self._shop, experiment.name)}.json"
                if told := objects.get_json(self._s3, self._environment.bucket, key):
                    yield Trial(experiment=experiment, report=told)

    def _names(self, items: set[str]) -> dict[str, str]:
        """Return items' names by the shop's table, as answers have them."""
        bucket = self._environment.bucket
        with suppress(PersonalizationError):
            table = item_files.table(self._s3, bucket, self._shop) if items else None
            if table and (column := name_column(table.columns)):
                shown = ShownItems(fetch(lambda: self._s3, lambda: bucket))
                told = shown.find(self._shop, sorted(items), (column,), _LOOK_UP_SECONDS)
                return {item: columns[column] for item, columns in told.items() if columns.get(column)}
        return {}
