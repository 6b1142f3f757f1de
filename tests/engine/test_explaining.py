# SPDX-License-Identifier: Apache-2.0
"""What the watch page asks of a shop on the engine: users, items and histories, as answers know them now."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.errors import RetryLater
from personalization.engine import files

from local.cloud.environments import LocalError
from local.watch.own_engine import OwnEngine
from tests.engine.engine_shop import ARN, GROUP, STORE, account, imported, interactions, written
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

pytestmark = pytest.mark.usefixtures("table")

Ask = Callable[..., dict[str, Any]]
BOUGHT = 1_900_000_000
"""When the events of these tests were sent: after all imported ones."""


def asking(campaign: str, root: Path, store: files.Store = STORE) -> Ask:
    """Ask about a campaign as one watch page does."""
    own_engine = OwnEngine(account(time.time), store, environment.live_table(), root)
    return lambda **question: own_engine.facts("engine", campaign, question)


@pytest.fixture
def ask(campaign: str, tmp_path: Path) -> Ask:
    return asking(campaign, tmp_path)


def buy(item: str, session: str, user: str | None = None, second: int = 0) -> None:
    event: Any = {"eventType": "Purchase", "itemId": item, "sentAt": BOUGHT + second}
    more: Any = {"userId": user} if user else {}
    clients.events().put_events(trackingId="engine:retail-engine", sessionId=session, eventList=[event], **more)


def buyers(ask: Ask, item: str) -> list[str]:
    return [row["user"] for row in ask(who=item)["who"]["latest"]]


def test_the_next_question_knows_what_was_just_bought(ask: Ask) -> None:
    before = ask(who="i3")["who"]["interactions"]
    assert ask(user="novice")["interactions"] == 0
    buy("i4", "of-novice")
    assert (ask(user="novice")["interactions"], ask(like="of-nov")["like"]["users"]) == (0, [])
    buy("i3", "of-novice", "novice", 1)
    said = ask(user="novice", items=["i5"])
    assert [row["item"] for row in said["latest"]] == ["i3", "i4"]
    assert said["items"]["i3"]["columns"] == {"GENRE": "g3"}
    # The session's events are the user's since the log-in.
    assert ask(like="nov")["like"]["users"] == ["novice"]
    assert (buyers(ask, "i3")[0], buyers(ask, "i4")[0]) == ("novice", "novice")
    assert ask(who="i3")["who"]["interactions"] == before + 1


def test_who_is_unknown_is_nobody(ask: Ask) -> None:
    said = ask(user="<nobody> & co", items=["absent"], who="absent", like="~")
    assert (said["user"], said["interactions"], said["latest"], said["because"]) == ({}, 0, [], {})
    assert said["items"] == {"absent": {"columns": {}, "rank": None, "times": 0}}
    assert (said["who"]["latest"], said["like"]) == ([], {"users": [], "described": {}, "items": []})


def test_a_user_is_gone_as_soon_as_their_deletion_begins(
    shop: "PersonalizeClient", ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy("i9", "of-u9", "u9")
    assert (buyers(ask, "i9")[0], ask(user="u9")["interactions"], ask(like="u9")["like"]["users"]) == ("u9", 21, ["u9"])
    location = f"s3://{BUCKET}/erasures/engine/page.csv"
    clients.s3().put_object(Bucket=BUCKET, Key="erasures/engine/page.csv", Body=b"USER_ID\nu9\n")
    role = "arn:aws:iam::123456789012:role/personalize"
    job: Any = {"datasetGroupArn": GROUP, "dataSource": {"dataLocation": location}, "roleArn": role}

    def is_gone() -> bool:
        said = ask(user="u9", who="i9", like="u9")
        known_by = {row["user"] for row in said["who"]["latest"]} | set(said["like"]["users"])
        return said["interactions"] == 0 and "u9" not in known_by

    with monkeypatch.context() as killed:
        # The tables have the user still.
        killed.setattr(files, "upload", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            shop.create_data_deletion_job(jobName="retail-engine-page", **job)
        assert is_gone()
    shop.create_data_deletion_job(jobName="retail-engine-page", **job)
    assert is_gone()


def test_what_was_imported_since_is_known_at_once_and_until_it_is_there_what_was_before(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path
) -> None:
    is_down = False

    def client() -> Any:  # noqa: ANN401 - a client
        if is_down:
            raise RetryLater("S3", "it does not answer")
        return clients.s3()

    ask = asking(campaign, tmp_path, files.Store(client, environment.bucket))
    before = ask(user="u3")["interactions"]
    rows = written([["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], ["u3", "i1", str(BOUGHT), "Purchase"]])
    text = interactions(1200) + rows.partition("\n")[2]
    imported(shop, "INTERACTIONS", text, "second")
    is_down = True
    assert ask(user="u3")["interactions"] == before
    is_down = False
    assert ask(user="u3")["interactions"] == before + 1


def test_without_a_model_it_says_why_and_what_to_do(campaign: str, tmp_path: Path) -> None:
    def silent() -> Any:  # noqa: ANN401 - a client
        raise RetryLater("S3", "it does not answer")

    for ask, why in (
        (asking(f"{ARN}:campaign/retail-engine-absent", tmp_path), "does not exist"),
        (asking(campaign, tmp_path, files.Store(silent, environment.bucket)), "it does not answer"),
    ):
        with pytest.raises(LocalError, match=f"{why}.*Look again in a minute"):
            ask(user="u3")
