# SPDX-License-Identifier: Apache-2.0
"""What shops know that are on the engine: asked in this process, of what their functions answer from.

The functions read the events of one user. Who had an item, and who is like a text, a scan of the table tells here: that
is for a laptop, whose table is small and whose reads cost nothing.
"""

import shutil
import tempfile
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from personalization.core.aws.pagination import paginate
from personalization.core.errors import PersonalizationError
from personalization.core.names import Names
from personalization.engine import files, live
from personalization.engine.backend import Account, Refused
from personalization.engine.container import Answering, Container
from personalization.engine.live import LiveTable
from personalization.engine.of_users import Trained, of_user, streamed
from personalization.engine.put_records import columns
from personalize_local import library
from table_intake.wording import Text

from local.cloud.client import Client, translating
from local.cloud.environments import LocalError
from local.cloud.home import ACCOUNT, REGION, access

WAIT_SECONDS: Final = 30.0
"""The longest time to wait for a model that is being fetched."""


class OwnEngine:
    """Says what is known of users and items, as `library.Recommender.explain` does, and as answers know it now."""

    def __init__(self, account: Account, store: files.Store, live_table: str, root: Path) -> None:
        """Name what the functions of a stack work on: its records, its bucket, and the table of what came.

        `root`: a folder on the disk for models and tables.
        """
        self._account, self._live_table = account, live_table
        self._container = Container(account, store, root)
        self._reading = threading.Lock()

    @classmethod
    def of(cls, client: Client) -> "OwnEngine":
        """Return the one of a running cloud."""
        state, live_table = client.state, client.resources()["LiveTable"]
        s3, dynamodb = translating(**access(state))
        names = Names(prefix=state.stack, region=REGION, account=ACCOUNT).on("engine")
        account = Account(
            dynamodb=lambda: dynamodb, table=lambda: client.table.name, names=lambda: names, clock=time.time
        )
        root = Path(tempfile.mkdtemp(prefix="engine-"))
        own_engine = cls(account, files.Store(lambda: s3, lambda: state.outputs["BucketName"]), live_table, root)
        weakref.finalize(own_engine, shutil.rmtree, root, ignore_errors=True)
        return own_engine

    def facts(self, shop: str, campaign: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question to the model of a campaign, by its ARN. Raises LocalError."""
        try:
            return self._facts(self._container.answering(campaign, WAIT_SECONDS, newest=True), question)
        except (Refused, library.Refused, PersonalizationError) as error:
            text = "the engine of {shop} does not say what it knows: {why}. Look again in a minute"
            raise LocalError(Text("watch.engine-silent", text, shop=shop, why=str(error))) from error

    def _facts(self, answering: Answering, question: Mapping[str, Any]) -> dict[str, Any]:
        table, trained = LiveTable(self._account.dynamodb(), self._live_table), answering.trained
        erased = frozenset[str]()
        with self._reading:
            changes = answering.changing.read(table, self._account.clock(), 0.0)
        came = library.Live()
        if user := question.get("user"):
            name, came = of_user(table, trained, user)
            question = {**question, "user": name}
        if question.keys() & {"who", "like"}:
            since, erased = self._everybody(trained)
            changes = library.Changes(since._replace(items=changes.since.items))
        return answering.recommender.explain(question, live=replace(came, changes=changes), erased=erased)

    def _everybody(self, trained: Trained) -> tuple[library.Since, frozenset[str]]:
        """Return what all users did since the tables, and the users of tables who were erased."""
        events, users, erased = list[library.StreamedEvent](), list[library.PutRecord](), set[str]()
        for user, rows in self._partitions(trained).items():
            came = live.user_in(sorted(rows, key=lambda row: str(row["s"]["S"]), reverse=True))
            if came.leaving or came.erased > trained.learned_at * 1000:
                erased.add(user)
            events += streamed(came, user, user)
            attributes = None if came.properties is None else columns(came.properties, trained.users)
            if attributes is not None:
                users.append(library.PutRecord(user, attributes))
        return library.Since(events, users), frozenset(erased)

    def _partitions(self, trained: Trained) -> Mapping[str, list[live.Item]]:
        """Return what the table has of each user of a dataset group; events of sessions without a user are nobody's."""
        beginning = live.person(trained.group, "")
        partitions: dict[str, list[live.Item]] = defaultdict(list)
        for row in paginate(
            self._account.dynamodb().scan,
            "Items",
            TableName=self._live_table,
            FilterExpression="begins_with(p, :beginning) AND attribute_not_exists(nobody)",
            ExpressionAttributeValues={":beginning": {"S": beginning}},
            ConsistentRead=True,
        ):
            if not live.is_event(row) or live.since_of(row) > trained.cut:
                partitions[row["p"]["S"].removeprefix(beginning)].append(row)
        return partitions
