# SPDX-License-Identifier: Apache-2.0
"""What a container meets: models that do not fit, slow or full stores, many shops, and releases in quick succession."""

import errno
import json
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core import environment
from personalization.core.aws import clients, objects
from personalization.core.errors import Broken, RetryLater
from personalization.engine import files, records
from personalization.engine.live import LiveTable
from personalize_local import library

from tests.engine.engine_shop import ARN, GROUP, STORE, containing, trained, wait_for

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

pytestmark = pytest.mark.usefixtures("table")

NOW = 1_900_000_000.0
Harm = Callable[[Path], object]


def manifest_with(model: Path, **members: object) -> None:
    file = model / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | members))


def cut_in_half(model: Path) -> None:
    data = model / "arrays.bin"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def of_another_shop(model: Path) -> None:
    solution = json.loads((model / "manifest.json").read_text())["solution"]
    group = f"{ARN}:dataset-group/retail-another"
    manifest_with(model, solution={**solution, "datasetGroupArn": group})


HARMS: dict[str, tuple[Harm, str]] = {
    "cut in half": (cut_in_half, "arrays.bin"),
    "of a newer version": (lambda model: manifest_with(model, format=library.FORMAT + 1), "newer"),
    "of another shop": (of_another_shop, "retail-another"),
}


def copied(version: str, name: str, folder: Path, harm: Harm = Path.stat) -> str:
    """A version like another one, whose model is a copy of the other's with some harm; returns its ARN."""
    store = records.Records(clients.dynamodb, environment.table)
    members, arn = store.get("solutionVersion", version), f"{version}-{name}"
    assert members is not None
    source = files.Disk(folder / "source", STORE).fetched(members["_folder"])
    harm(shutil.copytree(source, target := folder / name, dirs_exist_ok=True))
    members |= {"solutionVersionArn": arn, "_folder": f"{members['_folder'][:-1]}-{name}/"}
    files.upload(STORE, members["_folder"], target)
    assert records.create(store, "solutionVersion", arn, members)
    return arn


def version_of(engine: "PersonalizeClient", campaign: str) -> str:
    return engine.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]


@pytest.mark.parametrize("case", HARMS)
def test_a_model_that_cannot_serve_is_named_and_the_one_before_it_answers(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path, case: str
) -> None:
    harm, reason = HARMS[case]
    now, first = [NOW], version_of(shop, campaign)
    bad = copied(first, case.replace(" ", "-"), tmp_path, harm)
    arn = shop.create_campaign(name=f"retail-engine-{case}", solutionVersionArn=first)["campaignArn"]
    here = containing(tmp_path / "disk", lambda: now[0])
    before = here.answering(arn, 30.0)
    shop.update_campaign(campaignArn=arn, solutionVersionArn=bad)
    now[0] += 21
    assert here.answering(arn, 30.0) is before
    wait_for(here, arn)
    assert here.answering(arn, 30.0) is before
    with pytest.raises(Broken, match=reason):
        containing(tmp_path / "other", lambda: NOW).answering(arn, 30.0)


def test_a_new_filter_serves_though_a_new_model_cannot(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path
) -> None:
    first, now = version_of(shop, campaign), [NOW]
    made: Any = {"name": "retail-engine-renewed", "datasetGroupArn": GROUP}
    chosen = shop.create_filter(**made, filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("g1")')["filterArn"]
    arn = shop.create_campaign(name="retail-engine-renewing", solutionVersionArn=first)["campaignArn"]
    here = containing(tmp_path / "disk", lambda: now[0])
    here.answering(arn, 30.0)
    before = here.filter(chosen)
    shop.delete_filter(filterArn=chosen)
    shop.create_filter(**made, filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("g2")')
    shop.update_campaign(campaignArn=arn, solutionVersionArn=copied(first, "unfit", tmp_path, cut_in_half))
    now[0] += 21
    here.answering(arn, 30.0)
    wait_for(here, arn)
    assert here.filter(chosen) != before


def test_ten_shops_share_a_disk_that_holds_four(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = version_of(shop, campaign)
    versions = [copied(first, f"shop-{number}", tmp_path) for number in range(10)]
    arns = [
        shop.create_campaign(name=f"retail-engine-shop-{number}", solutionVersionArn=version)["campaignArn"]
        for number, version in enumerate(versions)
    ]
    fetched, models = files.Disk.fetched, tmp_path / "disk/engine/engine/models/retail-engine-similar-items"

    def full(disk: files.Disk, folder: str, but: Collection[str] = ()) -> Path:
        target = disk.root / folder
        if "/models/" in folder and not target.exists() and models.exists() and len(list(models.iterdir())) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return fetched(disk, folder, but)

    monkeypatch.setattr(files.Disk, "fetched", full)
    now = [NOW]
    here = containing(tmp_path / "disk", lambda: now[0])

    def ask(arn: str) -> bool:
        """Ask once, and once more where room had to be made; return whether that was so."""
        try:
            here.answering(arn, 30.0)
        except RetryLater:
            now[0] += 3
            here.answering(arn, 30.0)
            return True
        return False

    assert [ask(arn) for arn in arns] == [False] * 4 + [True] * 6
    # Who was asked last stays, in whatever order.
    assert [ask(arn) for arn in reversed(arns[6:])] == [False] * 4
    assert ask(arns[0])
    assert [ask(arn) for arn in arns[6:9]] == [False] * 3


def test_what_a_campaign_fetches_while_another_tidies_the_disk_stays(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = version_of(shop, campaign)
    tidying, meanwhile = (
        shop.create_campaign(name=f"retail-engine-{name}", solutionVersionArn=copied(first, name, tmp_path))
        for name in ("tidying", "meanwhile")
    )
    here, keep_only = containing(tmp_path / "disk", lambda: NOW), files.Disk.keep_only

    def late(disk: files.Disk, folders: Any) -> None:  # noqa: ANN401 - as of the original
        monkeypatch.setattr(files.Disk, "keep_only", keep_only)
        here.answering(meanwhile["campaignArn"], 30.0)
        keep_only(disk, folders)

    monkeypatch.setattr(files.Disk, "keep_only", late)
    here.answering(tidying["campaignArn"], 30.0)
    models = (tmp_path / "disk/engine/engine/models/retail-engine-similar-items").iterdir()
    assert {model.name.partition("-")[2] for model in models} == {"tidying", "meanwhile"}


def test_of_two_releases_within_a_minute_the_last_one_serves(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path
) -> None:
    first, now = version_of(shop, campaign), [NOW]
    second, third = (copied(first, name, tmp_path) for name in ("second", "third"))
    arn = shop.create_campaign(name="retail-engine-hasty", solutionVersionArn=first)["campaignArn"]
    here = containing(tmp_path / "disk", lambda: now[0])
    here.answering(arn, 30.0)
    for version in (second, third):
        shop.update_campaign(campaignArn=arn, solutionVersionArn=version)
        now[0] += 21
        here.answering(arn, 30.0)
    wait_for(here, arn)
    now[0] += 21
    here.answering(arn, 30.0)
    wait_for(here, arn)
    (folder,) = (tmp_path / "disk/engine/engine/models/retail-engine-similar-items").iterdir()
    assert folder.name.endswith("-third")


def test_while_s3_is_slow_the_release_before_answers(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, now = version_of(shop, campaign), [NOW]
    later = copied(first, "slow", tmp_path)
    arn = shop.create_campaign(name="retail-engine-slow", solutionVersionArn=first)["campaignArn"]
    here = containing(tmp_path / "disk", lambda: now[0])
    before, arrives, stream = here.answering(arn, 30.0), threading.Event(), objects.stream_from

    def slow(*request: Any) -> Iterator[bytes]:  # noqa: ANN401 - as of the original
        arrives.wait(30.0)
        yield from stream(*request)

    monkeypatch.setattr(objects, "stream_from", slow)
    shop.update_campaign(campaignArn=arn, solutionVersionArn=later)
    for _ in range(3):
        now[0] += 21
        assert here.answering(arn, 0.0) is before
    with pytest.raises(RetryLater, match="still being fetched"):
        containing(tmp_path / "new", lambda: NOW).answering(arn, 0.0)
    arrives.set()
    wait_for(here, arn)
    assert here.answering(arn, 0.0) is not before


def test_an_event_for_an_item_that_the_model_does_not_know_changes_no_list(shop: "PersonalizeClient") -> None:
    def listed(user: str) -> list[str]:
        answer = clients.runtime().get_recommendations(campaignArn=personal, userId=user, numResults=40)
        return [item["itemId"] for item in answer["itemList"]]

    version = trained(shop, "user-personalization", "unknown")
    personal = shop.create_campaign(name="retail-engine-unknown", solutionVersionArn=version)["campaignArn"]
    before = listed("puzzled")
    event: Any = {"eventType": "Purchase", "itemId": "of-no-shop", "sentAt": 1_700_100_000}
    tracker = "engine:retail-engine"
    clients.events().put_events(trackingId=tracker, userId="puzzled", sessionId="s", eventList=[event])
    assert listed("puzzled") == before
    # It is in nobody's way.
    understood: Any = {**event, "itemId": before[0], "sentAt": event["sentAt"] + 1}
    clients.events().put_events(trackingId=tracker, userId="puzzled", sessionId="s", eventList=[understood])
    assert listed("puzzled") != before


def test_a_throttled_table_leaves_the_answer_to_the_fallback(campaign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(_table: LiveTable, _group: str, user: str, _cut: int) -> None:
        raise RetryLater(user, "throttled")

    monkeypatch.setattr(LiveTable, "of_user", throttled)
    with pytest.raises(RetryLater, match="throttled"):
        clients.runtime().get_recommendations(campaignArn=campaign, itemId="i3", userId="u1")
    # Of nobody there is nothing to read.
    assert clients.runtime().get_recommendations(campaignArn=campaign, itemId="i3")["itemList"]
