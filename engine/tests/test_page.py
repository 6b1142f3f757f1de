# SPDX-License-Identifier: Apache-2.0
"""The door of the page: who gets the page, what it reads, and that nobody reads people where callers need rights."""

import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.tests.harness import Argument, Aws, Engine, EngineHere
from engine.tests.names import ROLE
from engine.tests.shop import Shop
from engine.tests.shop_data import write_csv

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Authorization": ""}
STATIC = Path(str(files("personalize_local.page") / "static"))
FILES = sorted(STATIC.iterdir())


def read(engine: Engine, path: str, question: Argument = None) -> Argument:
    """What the page gets: as a browser asks, without a signature."""
    body = None if question is None else json.dumps(question).encode()
    status, _, answer = engine.ask(f"/_page/{path}", body, Authorization="")
    return json.loads(answer) if status == 200 else (status, json.loads(answer)["message"])


def test_browsers_get_a_page_and_programs_the_health_check(engine: Engine) -> None:
    status, headers, page = engine.ask("/", None, **BROWSER)
    assert (status, headers["content-type"], page) == (
        200,
        "text/html; charset=utf-8",
        (STATIC / "index.html").read_bytes(),
    )
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    for accept in ("", "*/*", "application/json"):
        status, headers, body = engine.ask("/", None, Accept=accept)
        assert (status, headers["content-type"], json.loads(body)["status"]) == (200, "application/json", "ok")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_is_served_licensed_and_asks_nobody_else(file: Path, engine: Engine) -> None:
    status, headers, body = engine.ask(f"/_page/{file.name}", None, Authorization="")
    assert (status, body, headers["x-content-type-options"]) == (200, file.read_bytes(), "nosniff")
    text = body.decode()
    assert "SPDX-License-Identifier: Apache-2.0" in text[:250]
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\seval\(|<script>|\sstyle=|\son\w+=\"", text)


@pytest.mark.parametrize(
    ("path", "body"), [("/", None), ("/_page/state", None), ("/_page/why", b"{}"), ("/_page/app.js", None)]
)
def test_pages_of_other_origins_get_nothing(path: str, body: bytes | None, engine: Engine) -> None:
    for header in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        assert engine.ask(path, body, **BROWSER | header)[0] == 403


@pytest.mark.parametrize("path", ["nothing", "state/more", "group", "../__init__.py", "__init__.py", "why"])
def test_what_is_not_there_is_refused(path: str, engine: Engine) -> None:
    assert read(engine, path)[0] == 404


@pytest.mark.parametrize(
    "question",
    [
        {},
        [],
        {"source": 1},
        {"source": "x", "items": "y"},
        {"source": "x", "items": [1]},
        {"source": "x", "who": 1},
        {"source": "x", "items": ["i"] * 501},
    ],
)
def test_bad_questions_are_refused(question: Argument, engine: Engine) -> None:
    assert read(engine, "why", question)[0] == 400


def test_a_trained_shop_is_described(shop: Shop) -> None:
    engine = shop.aws.engine
    [listed] = [listed_group for listed_group in read(engine, "state")["groups"] if listed_group["arn"] == shop.group]
    group = read(engine, f"group/{quote(shop.group, safe='')}")
    assert (listed["name"], listed["domain"], listed["busy"]) == ("shop", None, 0)
    assert listed["failed"] == len(group["failed"])  # jobs of other tests
    rows = {dataset["type"]: (dataset["rows"], dataset["imports"][0]["rows"]) for dataset in group["datasets"]}
    assert rows == {"INTERACTIONS": (1200, 1200), "ITEMS": (40, 40), "USERS": (60, 60)}
    assert [column["name"] for column in group["datasets"][1]["columns"]] == ["ITEM_ID", "PRICE", "CATEGORY_L1"]
    assert {campaign["recipe"] for campaign in group["campaigns"]} == set(shop.campaigns)
    assert group["trackers"][0]["trackingId"] == shop.tracking_id
    [version] = next(solution for solution in group["solutions"] if solution["recipe"] == "aws-user-personalization")[
        "versions"
    ]
    answer = shop.aws.control.get_solution_metrics(solutionVersionArn=shop.versions["aws-user-personalization"])
    assert version["metrics"] == answer["metrics"]
    assert version["popularity"].keys() == version["metrics"].keys()
    gain = "normalized_discounted_cumulative_gain_at_25"
    assert 0 < version["popularity"][gain] < version["metrics"][gain]
    assert read(engine, "group/nothing")[0] == 404


def test_popularity_is_the_same_list_for_everybody(shop: Shop) -> None:
    """The recipe that is this rule has its metrics."""
    group = read(shop.aws.engine, f"group/{quote(shop.group, safe='')}")
    [version] = next(solution for solution in group["solutions"] if solution["recipe"] == "aws-popularity-count")[
        "versions"
    ]
    assert version["popularity"]["coverage"] == version["metrics"]["coverage"] == 0.625


def test_beside_an_answer_stand_the_history_and_the_items(shop: Shop) -> None:
    suggested = read(shop.aws.engine, "why", {"source": shop.personal})
    assert (suggested["eventTypes"][0], len(suggested["users"]), len(suggested["popular"])) == ("View", 24, 24)
    for item in ("i7", "i33"):
        shop.click(item, user="somebody on the page", eventId=f"page-{item}", sentAt=1_700_000_000 + int(item[1:]))
    answer = read(
        shop.aws.engine, "why", {"source": shop.personal, "user": "somebody on the page", "items": ["i7", "absent"]}
    )
    assert [row["item"] for row in answer["latest"]] == ["i33", "i7"]
    assert answer["because"]["i7"][0] == "i7"
    assert 0.1 <= answer["because"]["i7"][1] <= 1
    assert answer["items"]["i33"]["columns"] == {"PRICE": 33.5, "CATEGORY_L1": "games"}
    assert (answer["items"]["i7"]["times"], answer["items"]["absent"]) == (
        1,
        {"columns": {}, "rank": None, "times": 0},
    )


def test_work_under_way_and_failures_are_told(still: Argument, still_engine: Engine) -> None:
    aws: Aws = still
    group = aws.group("page")
    dataset = aws.dataset(group, "Items")
    reason = aws.failed_import(dataset, "s3://nowhere/items.csv")
    job = aws.begin_import(dataset, "s3://nowhere/items.csv", "second")
    page = read(still_engine, f"group/{quote(group, safe='')}")
    assert [(job_under_way["what"], job_under_way["arn"], job_under_way["verb"]) for job_under_way in page["now"]] == [
        ("DatasetImportJob", job, "CREATE")
    ]
    assert [(failure["name"], failure["reason"]) for failure in page["failed"]] == [("import", reason)]


def test_where_callers_need_rights_nobody_is_shown(tmp_path: Path) -> None:
    with EngineHere(tmp_path, options=["--rights", "http://127.0.0.1:9/"]) as engine:
        assert read(engine, "state")["engine"]["rights"] is True
        assert read(engine, "why", {"source": "x"})[0] == 403


def test_who_had_an_item_and_ids_are_looked_up(shop: Shop) -> None:
    for user, second in (("who-1", 1), ("who-2", 2)):
        shop.click("i39", user=user, eventId=f"who-{user}", sentAt=1_790_000_000 + second)
    answer = read(shop.aws.engine, "why", {"source": shop.personal, "who": "i39", "like": "who-"})
    assert [row["user"] for row in answer["who"]["latest"][:2]] == ["who-2", "who-1"]
    assert len(answer["who"]["latest"]) == min(20, answer["who"]["interactions"])
    assert answer["like"] == {"users": ["who-1", "who-2"], "described": {}, "items": []}
    young = read(shop.aws.engine, "why", {"source": shop.personal, "like": "YOU"})["like"]["described"]
    assert sorted(young) == sorted(f"u{number}" for number in range(1, 60, 2))[:24]
    assert young["u1"] == {"AGE_GROUP": "young"}
    imported = read(shop.aws.engine, "why", {"source": shop.personal, "who": "i1", "like": "i1"})
    assert {"i1", "i10"} <= set(imported["like"]["items"])
    for row in imported["who"]["latest"]:
        past = read(shop.aws.engine, "why", {"source": shop.personal, "user": row["user"]})
        assert past["items"]["i1"]["times"] >= 1
    nothing = read(shop.aws.engine, "why", {"source": shop.personal, "who": "absent", "like": "~"})
    assert nothing["who"] == {"interactions": 0, "latest": []}
    assert nothing["like"] == {"users": [], "described": {}, "items": []}


def test_what_was_streamed_is_counted_also_after_users_were_deleted(aws: Aws, bucket: Path) -> None:
    group = aws.group()
    aws.dataset(group, "Interactions")
    tracker, users = aws.tracker(group), aws.dataset(group, "Users")

    def streamed() -> list[int]:
        datasets = read(aws.engine, f"group/{quote(group, safe='')}")["datasets"]
        return [datasets[0]["streamed"]["events"], datasets[1]["streamed"]["records"]]

    for number in range(3):
        aws.click(tracker, "i1", f"u{number}", eventId=str(number))
        aws.events.put_users(
            datasetArn=users, users=[{"userId": f"u{number % 2}", "properties": '{"ageGroup": "old"}'}]
        )
        assert streamed() == [number + 1, min(number + 1, 2)]
    write_csv(bucket / "gone.csv", ["USER_ID"], [["u1"]])
    job = aws.control.create_data_deletion_job(
        jobName="gone", datasetGroupArn=group, roleArn=ROLE, dataSource={"dataLocation": f"s3://{aws.region}/gone.csv"}
    )
    aws.settle("DataDeletionJob", job["dataDeletionJobArn"], "COMPLETED")
    assert streamed() == [2, 1]
