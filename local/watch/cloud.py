# SPDX-License-Identifier: Apache-2.0
"""What the watch page shows of a running cloud: the facts that `local`'s commands print, as JSON."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import BotoCoreError, ClientError
from personalization.core.errors import PersonalizationError
from personalization.runs import batches
from personalization.runs.claims import PREFIX, Claim
from personalization.shop import keys
from personalization.shop.records import release
from personalization.shop.records.release import ReleaseRecord
from table_intake.wording import Text

from local.cloud import by_hand, resuming
from local.cloud.client import Client, as_commands
from local.cloud.environments import LocalError
from local.cloud.home import Home, State, access, require
from local.cloud.runs import Run
from local.terminal.board import DONE, FAILED, Board
from local.terminal.output import WRONG
from local.terminal.speech import typed
from local.watch.people import People
from local.watch.server import MissingError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

LISTED: Final = 100
"""Executions of a state machine that are looked at, the newest."""
SHOWN: Final = 25
"""Runs of a shop that are shown."""
FOLLOWED: Final = 30
"""Runs whose steps are kept."""
REMEMBERED: Final = 200
"""Actions that are known again."""
COMMAND: Final = "command"
"""The word of the overview's command line that the page replaces by a command."""
PAPERS: Final = 200
"""Reports of a shop that are linked, the newest."""
HOURLY: Final = ("shelves", "experiments")
"""Folders of a shop's reports that are of no run."""


class Cloud:
    """The cloud of a folder, as it is at each look: it may go down, and come up as another one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._acting = threading.Lock()
        self._acted: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._look: Look | None = None

    def key(self) -> str:
        state = self._home.read()
        return state.page_key if state else require(self._home).page_key

    def overview(self) -> dict[str, Any]:
        with self._lock:
            return {**self._now().overview(), "command": typed(f"python -m local {COMMAND}", self._home.run)}

    def shop(self, shop: str) -> dict[str, Any]:
        with self._lock:
            return self._now().shop(shop)

    def steps(self, run: str) -> dict[str, Any]:
        with self._lock:
            return self._now().steps(run)

    def paper(self, key: str) -> bytes:
        return self._now().paper(key)

    def customer(self, shop: str, user: str) -> dict[str, Any]:
        return self._now().people.customer(shop, user)

    def item(self, shop: str, item: str) -> dict[str, Any]:
        return self._now().people.item(shop, item)

    def find(self, shop: str, text: str) -> dict[str, Any]:
        return self._now().people.find(shop, text)

    def act(self, shop: str, action: str, name: str, user: str) -> dict[str, Any]:
        """Do what somebody has confirmed; what comes again with the same `name` is done once."""
        with self._acting:
            if name not in self._acted:
                self._acted[name] = _act(self._now().client, shop, action, name, user)
                while len(self._acted) > REMEMBERED:
                    self._acted.popitem(last=False)
            return self._acted[name]

    def _now(self) -> "Look":
        state = require(self._home)
        if self._look is None or self._look.state != state:
            self._look = Look(state)
        return self._look


class Look:
    """What is known of one running cloud; ended runs are asked for once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.client = Client(state)
        self._ended: dict[str, Run] = {}
        self._followed: OrderedDict[str, Followed] = OrderedDict()

    @cached_property
    def people(self) -> People:
        return People(self.client)

    @cached_property
    def _s3(self) -> "S3Client":
        return boto3.client("s3", **access(self.state))

    @cached_property
    def _sqs(self) -> "SQSClient":
        return boto3.client("sqs", **access(self.state))

    def overview(self) -> dict[str, Any]:
        records, runs = self._records(), self._runs()
        queued, dead = (self._messages(self.state.outputs[name]) for name in ("EventsQueueUrl", "DeadEventsQueueUrl"))
        names = sorted(records)
        shops = [_summary(shop, records[shop], _of(runs, shop)) for shop in names]
        return {
            "shops": shops,
            "events": {"queued": queued, "dead": dead},
            "errors": [error for shop in names for error in _errors(shop, records[shop], _of(runs, shop))],
            "unsaved": resuming.failure(self.state),
            "places": {"api": self.state.api, "engine": self.state.engine, "docs": self.state.docs},
        }

    def shop(self, shop: str) -> dict[str, Any]:
        """Return everything of a shop but its customers and items. Raises MissingError."""
        records, runs = self._records(shop).get(shop, {}), _of(self._runs(), shop)
        if not records and not runs:
            text = "There is no shop {shop}. Drop its files first: python -m local drop {shop} interactions FILE"
            raise MissingError(Text("watch.no-shop", text, shop=shop))
        claims = _claims(records)
        return {
            "shop": shop,
            **_serving(records),
            "runs": [_run(run) for run in runs[:SHOWN]],
            "leader": str(records.get("lease", {}).get("owner") or ""),
            "waiting": [_claim(claim) for claim in claims if _waits(claim, records)],
            "errors": _errors(shop, records, runs),
            "likelihood": _likelihood(records.get("likelihood", {})),
            "papers": self._papers(shop),
        }

    def steps(self, run: str) -> dict[str, Any]:
        """Return the steps of a run, by its id on the page, as far as it has come. Raises MissingError."""
        known_runs = {_id(known_run): known_run for known_run in self._runs()}
        if run not in known_runs:
            text = "There is no run {run}, or the local AWS has forgotten it"
            raise MissingError(Text("watch.no-run", text, run=run))
        followed = self._followed.get(run)
        if followed is None or followed.failed:
            followed = self._followed[run] = Followed(self.client, known_runs[run])
        self._followed.move_to_end(run)
        while len(self._followed) > FOLLOWED:
            self._followed.popitem(last=False)
        return {**_run(known_runs[run]), "steps": followed.rows(known_runs[run])}

    def paper(self, key: str) -> bytes:
        try:
            return self._s3.get_object(Bucket=self.state.outputs["BucketName"], Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            text = "There is no report {key}: the bucket keeps reports for a time only"
            raise MissingError(Text("watch.no-report", text, key=key)) from None

    def _records(self, shop: str = "") -> dict[str, dict[str, dict[str, Any]]]:
        """Return the records of the table by shop and sort key, but for judged runs, which are long."""
        table, client = self.client.table.name, self.client.table.meta.client
        if shop:
            condition: Any = Key("shop").eq(shop)
            pages = client.get_paginator("query").paginate(
                TableName=table, KeyConditionExpression=condition, ConsistentRead=True
            )
        else:
            condition = ~Attr("record").begins_with(release.CANDIDATE)
            pages = client.get_paginator("scan").paginate(TableName=table, FilterExpression=condition)
        records: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for page in pages:
            for record in page["Items"]:
                if keys.is_shop(str(record["shop"])):
                    records[str(record["shop"])][str(record["record"])] = dict(record)
        return records

    def _runs(self) -> list[Run]:
        """Return the newest executions of runs, batch jobs and fits, newest first."""
        runs, listed = self.client.runs, dict[str, Run]()
        for machine, kind in ((runs.machine, ""), (runs.batches, "batch"), (runs.fits, "likelihood")):
            newest = runs.client.list_executions(stateMachineArn=machine, maxResults=LISTED)["executions"]
            for arn in (execution["executionArn"] for execution in newest):
                run = self._ended.get(arn)
                if run is None:
                    with suppress(runs.client.exceptions.ExecutionDoesNotExist):
                        run = runs.describe(arn)
                if run is not None:
                    listed[arn] = replace(run, kind=kind or run.kind)
        self._ended = {arn: run for arn, run in listed.items() if run.status != "RUNNING"}
        return sorted(listed.values(), key=lambda run: run.started, reverse=True)

    def _messages(self, queue: str) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in attributes.values())

    def _papers(self, shop: str) -> list[dict[str, Any]]:
        """Return the reports and refused rows of a shop's runs, newest first."""
        papers = []
        for folder, ending in (("reports", ".html"), ("rejects", ".csv")):
            prefix = f"{folder}/{shop}/"
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.state.outputs["BucketName"], Prefix=prefix
            )
            for entry in (entry for page in pages for entry in page.get("Contents", [])):
                run, _, name = entry["Key"].removeprefix(prefix).partition("/")
                # A report is assembled from parts.
                if name.endswith(ending) and "parts/" not in name:
                    written = entry["LastModified"].astimezone(UTC).isoformat()
                    papers.append({"key": entry["Key"], "run": run, "name": name, "kind": folder, "at": written})
        # What the hourly round writes anew must not crowd out the reports of runs.
        newest = sorted(papers, key=lambda paper: paper["at"], reverse=True)
        hourly = [paper for paper in newest if paper["run"] in HOURLY]
        return hourly[:PAPERS] + [paper for paper in newest if paper["run"] not in HOURLY][:PAPERS]


@dataclass
class Followed:
    """The steps of a run, which a thread goes on to read until the run ends."""

    client: Client
    run: Run
    board: Board = field(default_factory=Board)
    failed: bool = False
    ended: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        if self.run.status != "RUNNING":
            self._thread.join(timeout=10.0)  # all of it is there to be read

    def _follow(self) -> None:
        try:
            for moment in self.client.runs.follow(self.run.arn):
                self.board.tell(moment)
        except (BotoCoreError, ClientError, LocalError):
            self.failed = True  # the next look follows it anew
        else:
            self.ended = True

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """Return the steps as they are now; one that goes on has no end."""
        if run.status != "RUNNING" and self.ended:
            self.board.end(run.seconds)
        rows, steps, next_began = list(self.board.rows.values()), list[dict[str, Any]](), None
        for row in reversed(rows):
            # A wait that saw the resource ready at once leaves no trace of it but the step that came after.
            passed = row.resource and row.ended is None and next_began is not None
            seconds = next_began - row.began if passed and next_began is not None else row.seconds(run.seconds)
            steps.append(
                {
                    "what": row.what,
                    "resource": row.resource,
                    "status": row.status,
                    "mark": "done" if passed else {DONE: "done", FAILED: "failed"}.get(row.mark(), "going"),
                    "began": round(row.began, 1),
                    "seconds": round(seconds, 1),
                }
            )
            next_began = next_began if row.resource else row.began
        return steps[::-1]


def _act(client: Client, shop: str, action: str, name: str, user: str) -> dict[str, Any]:
    """Start what was confirmed: the run that it starts, or the receipt of an erasure."""
    if action == "erase":
        return {"receipt": str(client.erase(shop, user).body["receiptId"])}
    if action == "retrain":
        run = by_hand.retrain(client, shop, name=name)
    elif action == "continue":
        run = by_hand.resume(client, shop, name=name)
    else:
        run = by_hand.roll_back(client, shop, name=name)
    return {"run": run.name}


def _of(runs: Sequence[Run], shop: str) -> list[Run]:
    return [run for run in runs if run.shop == shop]


def _id(run: Run) -> str:
    """Return what tells a run from the fits and batch jobs that it started, which have its name."""
    return f"{run.kind}:{run.name}" if run.kind in {"batch", "likelihood"} else run.name


def _run(run: Run) -> dict[str, Any]:
    """Return a run as the page shows it: `why` is what the application says, with the commands that help."""
    outcome = str(run.output.get("outcome") or "")
    said = run.reason or (str(run.output.get("reason") or "") if outcome != "promoted" else "")
    notes = [str(note) for note in run.output.get("notes") or ()]
    return {
        "id": _id(run),
        "run": run.name,
        "shop": run.shop,
        "kind": run.kind,
        "key": run.key,
        "status": run.status,
        "startedAt": run.started.astimezone(UTC).isoformat(),
        "seconds": round(run.seconds, 1),
        "outcome": outcome,
        "rows": run.output.get("rows") if isinstance(run.output.get("rows"), int) else None,
        "why": as_commands(said, run.shop),
        "wrong": [note for note in notes if note.startswith(WRONG)],
        "files": sorted({str(drop["key"]) for drop in run.output.get("drops") or () if drop.get("key")}),
    }


def _claims(records: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    claims = []
    for name, record in records.items():
        if name.startswith(PREFIX):
            with suppress(PersonalizationError):  # of a version before the first release
                claims.append(Claim.read(record))
    return sorted(claims, key=lambda claim: claim.order)


def _waits(claim: Claim, records: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a claim waits for a run: the one that leads the shop is at work on its own."""
    return claim.state == "held" or batches.is_waiting(claim, str(records.get("lease", {}).get("owner") or ""))


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "kind": claim.kind,
        "key": claim.key,
        "at": claim.at,
        "state": claim.state,
        "reason": claim.reason,
        "recipes": claim.recipes,
    }


def _releases(records: Mapping[str, Mapping[str, Any]]) -> tuple[ReleaseRecord | None, list[ReleaseRecord]]:
    """Return the release that serves, and the history, newest first; none from before the first version."""
    serving, history = None, []
    for name, record in records.items():
        if name == release.RECORD or name.startswith(release.HISTORY):
            with suppress(PersonalizationError):
                read = ReleaseRecord.read(record)
                if name == release.RECORD:
                    serving = read
                else:
                    history.append(read)
    return serving, sorted(history, key=lambda past: past.promoted_at, reverse=True)


def _serving(records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    serving, history = _releases(records)
    before = ""
    if serving:
        with suppress(PersonalizationError):
            before = release.release_before(serving, history, serving.shop).promoted_at
    return {
        "release": _release(serving, serving) if serving else None,
        "history": [_release(past, serving) for past in history],
        "before": before,
    }


def _release(past: ReleaseRecord, serving: ReleaseRecord | None) -> dict[str, Any]:
    return {
        "run": past.run,
        "promotedAt": past.promoted_at,
        "byHand": past.promoted_by != past.run,
        "withdrawnAt": past.withdrawn_at,
        "restoredAt": past.restored_at,
        "serves": serving is not None and past.promoted_at == serving.promoted_at,
        "campaigns": [
            {"name": alias, "recipe": served.recipe.removeprefix("arn:aws:personalize:::recipe/"), "run": served.run}
            for alias, served in sorted(past.campaigns.items())
        ],
        "filters": past.filters,
        "placements": sorted(past.placements),
    }


def _likelihood(record: Mapping[str, Any]) -> dict[str, Any] | None:
    if not record:
        return None
    return {
        "run": str(record.get("run") or ""),
        "at": str(record.get("at") or ""),
        "why": str(record.get("reason") or ""),
    }


def _summary(shop: str, records: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> dict[str, Any]:
    serving, _ = _releases(records)
    leader = str(records.get("lease", {}).get("owner") or "")
    under_way = next((run for run in runs if run.name == leader and run.status == "RUNNING"), None)
    return {
        "shop": shop,
        "since": serving.promoted_at if serving else "",
        "campaigns": sorted(serving.campaigns) if serving else [],
        "running": _run(under_way) if under_way else None,
        "newest": _run(runs[0]) if runs else None,
        "waiting": sum(_waits(claim, records) for claim in _claims(records)),
        "errors": len(_errors(shop, records, runs)),
    }


def _errors(shop: str, records: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> list[dict[str, Any]]:
    return list(_problems(shop, records, runs))


def _problems(shop: str, records: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """Yield what went wrong and was not made good since, with the action or the command that helps.

    A later run of the same kind of work that came to a good end makes it good, unless drops of it still wait to be
    continued.
    """
    good: set[str] = set()
    failed_claims = {claim.run for claim in batches.to_continue(_claims(records))}
    for run in runs:
        work = run.kind if run.kind in {"batch", "likelihood"} else "run"
        outcome = run.output.get("outcome")
        if run.status == "RUNNING" or (work in good and run.name not in failed_claims):
            continue
        if run.status == "SUCCEEDED" and outcome == "refused":
            yield _problem(run, "refused", f"python -m local promote {shop} {run.name}")
            good.add(work)
        elif run.status == "SUCCEEDED":
            if outcome not in {"queued", "alreadyHandled", "nothing"}:
                good.add(work)
        elif run.name in failed_claims:
            yield _problem(run, "failed", f"python -m local continue {shop} {run.name}", action="continue")
        else:
            ways = {"batch": f"batch {shop} {run.batch or 'JOB'}", "likelihood": f"retrain {shop}"}
            yield _problem(run, "failed", f"python -m local {ways.get(run.kind, f'runs {shop}')}")


def _problem(run: Run, code: str, command: str, action: str = "") -> dict[str, Any]:
    at = (run.ended or run.started).astimezone(UTC).isoformat()
    return {**_run(run), "code": code, "at": at, "command": command, "action": action}
