# SPDX-License-Identifier: Apache-2.0
"""``python -m local experiment check``, ``start`` and ``stop``: a shop's file of experiments on the running cloud."""

import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from personalization.core.aws import clients
from personalization.core.errors import PersonalizationError, Rejected
from personalization.experiments import document, following
from personalization.experiments.experiment import SCALE, Experiment, Experiments
from personalization.shop.records import release_store
from personalization.shop.settings.settings_file import shop_settings

from local.cloud.environments import LocalError
from local.cloud.home import Home, State, access, require
from local.experiments.rounds import analyse
from local.terminal.output import Terminal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

PATIENCE = 60.0
"""Seconds within which a dropped file is followed, even on a busy machine."""
_LOOK = 0.3


class Cloud:
    """What the commands read and change on the running cloud."""

    def __init__(self, state: State) -> None:
        create = clients.session().create_client
        self.s3 = cast("S3Client", create("s3", **access(state)))
        self.dynamodb = cast("DynamoDBClient", create("dynamodb", **access(state)))
        self.bucket, self.table = state.outputs["BucketName"], state.outputs["ShopsTableName"]

    def experiments(self, shop: str) -> Experiments:
        return following.get(self.dynamodb, self.table, shop)

    def refusal(self, shop: str) -> dict[str, str] | None:
        return following.refusal(self.s3, self.bucket, shop)


def check(options: Namespace, terminal: Terminal) -> None:
    """Check a file alone, or against a shop. Raises LocalError with everything that is missing."""
    file = options.file
    try:
        experiments = document.read(str(file), _content(file))
        if options.shop:
            cloud, now = Cloud(require(Home(options.run_dir))), datetime.now(UTC)
            before = cloud.experiments(options.shop)
            release = release_store.release_record(cloud.dynamodb, cloud.table, options.shop)
            state = following.ShopState(
                settings=shop_settings(cloud.s3, cloud.bucket, options.shop),
                release=release,
                has_events=following.has_events(cloud.s3, cloud.bucket, options.shop, now),
                versions=following.known_versions(cloud.dynamodb, cloud.table, options.shop),
            )
            accepted = following.decided(before, experiments, state, now)
            _show(accepted, terminal, _notes(experiments, accepted, state, cloud, now))
            return
    except PersonalizationError as refused:
        raise LocalError(f"it cannot start: {refused}") from None
    names = ", ".join(experiments.experiments) or "none"
    terminal.result(
        {"experiments": list(experiments.experiments)},
        lambda: terminal.line(
            f"the file is good: {names}. Name a shop to hold it against its settings and its release"
        ),
    )


def _notes(
    file: document.ExperimentsFile,
    accepted: Experiments,
    state: following.ShopState,
    cloud: Cloud,
    now: datetime,
) -> list[str]:
    """Return what is to be known of experiments before they start."""
    if not any(experiment.interleaved for experiment in accepted.experiments):
        return []
    from personalization.experiments.days.files import DayFiles  # noqa: PLC0415 - other files need no polars

    from local.experiments import mixing  # noqa: PLC0415 - likewise

    files = DayFiles(cloud.s3, cloud.bucket, accepted.shop)
    return list(mixing.notes(file, accepted, state.settings, files, now.date()))


def start(options: Namespace, terminal: Terminal) -> None:
    """Drop a file, and wait until it is followed or refused."""
    state, content = require(Home(options.run_dir)), _content(options.file)
    cloud = Cloud(state)
    try:
        wanted = document.read(str(options.file), content)
    except Rejected as refused:
        raise LocalError(f"nothing was uploaded: {refused}") from None
    before, dropped = cloud.experiments(options.shop), datetime.now(UTC)
    cloud.s3.put_object(Bucket=cloud.bucket, Key=following.key(options.shop), Body=content)
    deadline = time.monotonic() + PATIENCE
    with terminal.step("waiting for the shop to follow it"):
        while time.monotonic() < deadline:
            refusal = cloud.refusal(options.shop)
            if refusal and datetime.fromisoformat(refusal["at"]) >= dropped:
                raise LocalError(f"refused, and what ran goes on: {refusal['reason']}")
            after = cloud.experiments(options.shop)
            live = {experiment.name for experiment in after.experiments if experiment.runs(time.time())}
            if after.revision != before.revision or (not refusal and live == set(wanted.experiments)):
                break
            time.sleep(_LOOK)
        else:
            raise LocalError(f"nothing followed it within {PATIENCE:.0f} s; see: python -m local logs FollowSettings")
    if waiting(after.experiments):
        with terminal.step("making the campaign of the other release"):
            after = _with_campaigns(cloud, state, options.shop)
    _show(after, terminal)


def _with_campaigns(cloud: Cloud, state: State, shop: str) -> Experiments:
    """Make the rounds that else come every hour, until nothing waits for a campaign or patience ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        analyse(state)
        experiments = cloud.experiments(shop)
        if not waiting(experiments.experiments) or time.monotonic() > deadline:
            return experiments
        time.sleep(_LOOK)


def stop(options: Namespace, terminal: Terminal) -> None:
    """Stop one experiment now."""
    cloud = Cloud(require(Home(options.run_dir)))
    try:
        stopped = following.stop(
            cloud.dynamodb,
            cloud.table,
            options.shop,
            options.experiment,
            why="an operator stopped it",
            now=datetime.now(UTC),
        )
    except PersonalizationError as refused:
        raise LocalError(str(refused)) from None
    _show(Experiments(options.shop, (stopped,)), terminal)


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise LocalError(f"there is no file {file}")
    return file.read_bytes()


def _show(experiments: Experiments, terminal: Terminal, notes: Sequence[str] = ()) -> None:
    columns, rows = rows_of(experiments.experiments)

    def show() -> None:
        terminal.table(columns, rows)
        for line in (*waiting(experiments.experiments), *notes):
            terminal.line(line)

    terminal.result({**experiments.as_record(), "notes": list(notes)} if notes else experiments.as_record(), show)


def waiting(experiments: Sequence[Experiment]) -> list[str]:
    """Return what experiments wait for."""
    return [
        f"{experiment.name} waits {experiment.waits}"
        for experiment in experiments
        if experiment.waits and experiment.stopped_at is None
    ]


def rows_of(experiments: Sequence[Experiment]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return a table of experiments: the names of its columns, and its rows."""
    now = time.time()
    columns = ("experiment", "state", "placements", "variants", "goal", "until")
    return columns, [_row(experiment, now) for experiment in experiments]


def _row(experiment: Experiment, now: float) -> Sequence[str]:
    state = "runs" if experiment.runs(now) else "waits" if experiment.waits or now < experiment.starts_at else "ended"
    if experiment.stopped_at is not None:
        state = f"stopped: {experiment.stopped_because}"
    shares = ", ".join(
        f"{variant.name} {experiment.weight(variant.name) * 100 / SCALE:g} %" for variant in experiment.variants
    )
    until = datetime.fromtimestamp(experiment.last_second, UTC)
    return (
        experiment.name,
        state,
        ", ".join(experiment.placements),
        shares,
        experiment.goal,
        f"{until:%Y-%m-%d %H:%M}",
    )
